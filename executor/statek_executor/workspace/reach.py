"""What can guest code come to from an object, by whatever way?

More than is stored: what a cache remembers, what a suspended generator holds, the object that an AttributeError
happened to. So the real heap is asked, through `gc.get_referents`, and not the portraits. What was handed out ends the
way; a function leads to the global variables that its code names, not to all there are.
"""

from __future__ import annotations

import datetime
import gc
import itertools
import types
import zoneinfo
from collections.abc import Iterable
from typing import Any, Final

from statek_executor.workspace import layout
from statek_executor.workspace.annotations import SHARED_FORMS, parts_of_form
from statek_executor.workspace.classes import belongs_to_library
from statek_executor.workspace.definitions import Definitions
from statek_executor.workspace.lost import Lost
from statek_executor.workspace.portraits import PORTRAITS
from statek_executor.workspace.references import References, name_of

TIMES: Final = frozenset({datetime.datetime, datetime.time})
_ZONES: Final = frozenset({type(None), datetime.timezone, zoneinfo.ZoneInfo})
_OURS: Final = "statek_"
"""Begins the name of every module whose objects are the host's: no guest code gets from one of them to a variable."""

_SUBCLASSES: Final[Any] = type.__dict__["__subclasses__"]


class Reach:
    """The steps that lead on from objects, and what of them belongs to nobody."""

    def __init__(self, definitions: Definitions, references: References) -> None:
        self._namespace = definitions.namespace
        self._references = references
        self._hosts: dict[type, bool] = {}

    def is_free(self, obj: Any) -> bool:
        """Tell what no variable owns, and what leads to no variable: handed-out objects, the library, the host."""
        kind = type(obj)
        if kind is types.ModuleType or obj is self._namespace or name_of(obj, self._references) is not None:
            return True
        if kind is types.BuiltinMethodType:
            return obj.__self__ is None or self.is_free(obj.__self__)
        if issubclass(kind, type):
            return not layout.is_made_at_run_time(obj) or belongs_to_library(obj)
        known = self._hosts.get(kind)
        if known is None:
            known = self._hosts[kind] = _is_of_host(kind)
        return known

    def follow(self, obj: Any, names: set[str]) -> Iterable[Any]:
        """Give what is one step away from an object that is not plain; names that its code loads go to `names`."""
        kind = type(obj)
        if kind is types.CodeType:
            names |= names_in(code_in(obj))
            return ()
        if kind is types.FunctionType:
            around = (obj.__globals__, obj.__builtins__)
            return [part for part in gc.get_referents(obj) if part is not around[0] and part is not around[1]]
        if kind is types.TracebackType:
            return (obj.tb_frame, obj.tb_next)
        if kind is types.FrameType:
            return self._in_frame(obj)
        if kind in SHARED_FORMS:
            return parts_of_form(obj)
        if issubclass(kind, type):
            return itertools.chain((kind,), gc.get_referents(obj), _SUBCLASSES(obj))
        return (kind, *gc.get_referents(obj))

    def _in_frame(self, frame: types.FrameType) -> Iterable[Any]:
        """Give what a guest's frame holds; one of ours leads into the host."""
        if frame.f_globals is not self._namespace:
            return ()
        return [part for part in gc.get_referents(frame) if part is not self._namespace]


def _is_of_host(kind: type) -> bool:
    """Tell whether a class is the host's machinery; its exceptions and values hold what the guest puts into them."""
    if kind in PORTRAITS or kind is Lost or issubclass(kind, BaseException):
        return False
    module = layout.namespace(kind).get("__module__")
    return type(module) is str and module.startswith(_OURS)


def foreign_zones(level: Iterable[Any]) -> list[Any]:
    """Give the guest's own time zones in a level: times hold them where the garbage collector does not look."""
    found = (part.tzinfo for part in level if type(part) in TIMES)
    return [zone for zone in found if type(zone) not in _ZONES]


def code_in(code: types.CodeType) -> list[types.CodeType]:
    """Give a code object and all that are inside it."""
    found = [code]
    for each in found:
        found += [constant for constant in each.co_consts if type(constant) is types.CodeType]
    return found


def names_in(codes: Iterable[types.CodeType]) -> frozenset[str]:
    """Give all names that code objects can load or store outside their own frames.

    Attributes are among them; they only make more variables seem touched than are.
    """
    return frozenset(itertools.chain.from_iterable([code.co_names for code in codes]))


def runs_when_collected(codes: Iterable[types.CodeType]) -> bool:
    """Tell whether something that the code objects make can run code when it is collected as garbage.

    That is a generator that stands inside a `try` or `with`, or an object with a finaliser of its own.
    """
    for code in codes:
        if code.co_exceptiontable and code.co_flags & _SUSPENDS:
            return True
        if _FINALISER in code.co_names or _FINALISER in code.co_consts:
            return True
    return False


_CO_GENERATOR: Final = 0x20
_CO_COROUTINE: Final = 0x80
_CO_ASYNC_GENERATOR: Final = 0x200
_SUSPENDS: Final = _CO_GENERATOR | _CO_COROUTINE | _CO_ASYNC_GENERATOR
"""Flags of code whose frames outlive a call (the inspect module's CO_ constants)."""
_FINALISER: Final = "__del__"
