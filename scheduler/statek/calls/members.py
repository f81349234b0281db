"""What of an object may a guest use, and by which names? Public members only, and of those what its policy offers.

A method is a function that the object's class or one of its bases defines, where that class is the application's,
dbzero's, or a plain container of Python. What else an attribute may hold that can be called is not called for a guest,
and methods that come from elsewhere (a thread's, a text formatter's) are not among the members.
"""

from __future__ import annotations

import collections
import collections.abc
import enum
import functools
import inspect
import types
from collections.abc import Callable, Iterator
from typing import Any, Final

from statek.calls.admission import is_application_class
from statek.store.containers import is_container_type
from statek_policies import Policy
from statek_policies.language.words import INSPECTION

PRIVATE: Final = "member.private"
"""The rule for a name that no guest may use, whatever its policy."""
DENIED: Final = "member.denied"
"""The rule for a member that the policy does not offer."""

ITSELF: Final = "__call__"
"""The member that calling an object is."""
CONTEXT: Final = frozenset({"__enter__", "__exit__"})

_METHOD_KINDS: Final = (
    types.FunctionType,
    staticmethod,
    classmethod,
    functools.partialmethod,
    functools.singledispatchmethod,
    functools._lru_cache_wrapper,
)
_NATIVE_METHOD: Final = types.MethodDescriptorType

_CONTAINERS: Final = frozenset(
    {list, dict, tuple, set, frozenset, enum.Enum, types.SimpleNamespace}
    | {collections.OrderedDict, collections.defaultdict, collections.Counter, collections.deque}
    | {collections.UserDict, collections.UserList, collections.ChainMap}
    | {cls for cls in vars(collections.abc).values() if isinstance(cls, type)}
)
"""Classes of Python whose methods do nothing but look at and change what the object holds."""


class MemberRefused(Exception):
    """A guest asked for a member that it may not use; `rule` says why, and it is a violation on record."""

    def __init__(self, rule: str, text: str) -> None:
        super().__init__(text)
        self.rule = rule


def check(owner: object, name: object, policy: Policy) -> str:
    """Give back a public member's name that the policy offers; raises `MemberRefused`."""
    shown = type(owner).__name__
    if type(name) is not str or not _is_public(name):
        raise MemberRefused(PRIVATE, f"{str(name)[:100]!r} is not a public member of a {shown}")
    check_offered(owner, name, policy)
    return name


def check_offered(owner: object, name: str, policy: Policy) -> None:
    """Refuse a member that the policy does not offer; the operators are members under their special names."""
    shown = type(owner).__name__
    if not policy.offers_member(shown, name):
        raise MemberRefused(DENIED, f"the policy does not offer {shown}.{name}")


def method(owner: Any, name: str) -> Callable[..., Any] | None:
    """Return the method of that name, bound to the object; None where that name is no method."""
    definer = _definer(type(owner), name)
    if definer is None or not _is_method(definer, vars(definer)[name]):
        return None
    bound: Callable[..., Any] = getattr(owner, name)
    return bound


def method_names(cls: type) -> tuple[str, ...]:
    """List the public methods of a class, in order."""
    return tuple(sorted(_methods(cls)))


def public_names(owner: object, methods: tuple[str, ...], policy: Policy) -> tuple[str, ...]:
    """List what a guest may use of an object: the methods, and attributes that are no callables of the class."""
    shown = type(owner).__name__
    names = {*methods, *(name for name in dir(owner) if _is_public(name) and not callable(_defined(owner, name)))}
    return tuple(sorted(name for name in names if policy.offers_member(shown, name)))


def _defined(owner: object, name: str) -> object:
    """Give what the class defines under a name, without asking the object; None where it defines nothing."""
    definer = _definer(type(owner), name)
    return None if definer is None else vars(definer)[name]


def _is_public(name: object) -> bool:
    return type(name) is str and name.isidentifier() and not name.startswith("_") and name not in INSPECTION


def may_set(owner: object, name: str) -> bool:
    """Tell whether an attribute can be set without hiding what the class defines: its methods and the like."""
    definer = _definer(type(owner), name)
    if definer is None:
        return True
    defined = vars(definer)[name]
    return inspect.isdatadescriptor(defined) or not (callable(defined) or hasattr(type(defined), "__get__"))


def _methods(cls: type) -> Iterator[str]:
    for name in dir(cls):
        definer = _definer(cls, name) if _is_public(name) else None
        if definer is not None and _is_method(definer, vars(definer)[name]):
            yield name


def _definer(cls: type, name: str) -> type | None:
    """Find the class whose word counts for a name, as Python does."""
    return next((above for above in cls.__mro__ if name in vars(above)), None)


def _is_method(definer: type, defined: object) -> bool:
    if definer in _CONTAINERS or is_container_type(definer):
        return isinstance(defined, (*_METHOD_KINDS, _NATIVE_METHOD))
    return isinstance(defined, _METHOD_KINDS) and (is_application_class(definer) or _is_memo(definer))


def _is_memo(cls: type) -> bool:
    import dbzero as db0  # slow to import, and there wherever there are objects of it

    return bool(db0.is_memo(cls))
