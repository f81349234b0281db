"""What stands in a variable whose value could not be kept, and tells so when it is used?

A placeholder may be passed around, compared by identity and shown with `repr` (so that a container that holds one can
be shown); every other use raises `TransientValueError` with the name of the place that held the value.
"""

from __future__ import annotations

from typing import Any, Final, NoReturn

from statek_executor.workspace.errors import TransientValueError

_USES: Final = (
    *("__getattribute__", "__setattr__", "__delattr__", "__call__", "__iter__", "__next__", "__len__", "__bool__"),
    *("__str__", "__format__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__contains__"),
    *("__getitem__", "__setitem__", "__delitem__", "__enter__", "__exit__", "__index__", "__int__", "__float__"),
    *("__complex__", "__bytes__", "__round__", "__trunc__", "__floor__", "__ceil__", "__abs__", "__neg__", "__pos__"),
    *("__invert__", "__add__", "__radd__", "__iadd__", "__sub__", "__rsub__", "__mul__", "__rmul__", "__truediv__"),
    *("__rtruediv__", "__floordiv__", "__rfloordiv__", "__mod__", "__rmod__", "__divmod__", "__rdivmod__", "__pow__"),
    *("__rpow__", "__and__", "__rand__", "__or__", "__ror__", "__xor__", "__rxor__", "__lshift__", "__rlshift__"),
    *("__rshift__", "__rrshift__", "__matmul__", "__rmatmul__", "__reversed__", "__copy__", "__deepcopy__"),
    *("__reduce_ex__", "__length_hint__", "__fspath__", "__dir__", "__await__", "__aiter__"),
)


class Lost:
    """The place of a value that was not kept."""

    __slots__ = ("_kind", "_name", "_reason")

    __hash__ = object.__hash__
    """By identity: a placeholder may stand where the lost value was a key."""

    def __repr__(self) -> str:
        name, kind, reason = facts(self)
        return f"<lost: {name} held a {kind} ({reason})>"


def lose(name: str, kind: str, reason: str) -> Lost:
    """Make the placeholder for a value of the type named `kind` at the place `name`."""
    lost = object.__new__(Lost)
    for slot, text in zip((_NAME, _KIND, _REASON), (name, kind, reason), strict=True):
        slot.__set__(lost, text)
    return lost


def facts(lost: Lost) -> tuple[str, str, str]:
    """Give the name, the type and the reason that `lose` was told."""
    return _NAME.__get__(lost), _KIND.__get__(lost), _REASON.__get__(lost)


_NAME: Final[Any] = Lost.__dict__["_name"]
_KIND: Final[Any] = Lost.__dict__["_kind"]
_REASON: Final[Any] = Lost.__dict__["_reason"]


def _refuse(lost: Lost, *_: object, **__: object) -> NoReturn:
    name, kind, reason = facts(lost)
    raise TransientValueError(f"{name} held a {kind}, which is not kept between batches ({reason}): compute it again")


for _use in _USES:
    setattr(Lost, _use, _refuse)
