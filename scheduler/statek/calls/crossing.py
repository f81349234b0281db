"""How an application's values cross to one job and back: plain ones as they are, objects and futures as references.

In dbzero's thread, since objects of dbzero are looked at. What a value needs to be found again later is bound in the
job's table, and its events become durable with the answer that mentions it.

What is plain crosses by value: Python's exact types, and in their place kinds of them (an IntEnum is its number, a
Counter a dict), containers that a call gave of dbzero, and queries. Everything else is an object.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from typing import Any, Final

import dbzero as db0

from statek.calls import admission
from statek.calls.handles import HandlesExhausted, HandleTable
from statek.calls.offers import Offer
from statek.calls.requests import Registration
from statek.core.events import Event, HandleBound
from statek.futures.registry import WaitsExhausted
from statek.futures.results import FutureElement, FutureResult
from statek.store import containers
from statek_policies import Limits
from statek_protocol.references import FutureRef, HandleRef, PlainReferences, Reference
from statek_protocol.values import KNOWN, NESTING, ValueRefused, encode_value, type_name

_REFERENCES: Final = PlainReferences()
_FUTURES: Final = (FutureResult, FutureElement)

_REFERENCE_PARTS: Final = 15
"""What a reference counts for, in bytes at least, so that a value with very many of them is refused early."""


class ObjectIsGone(Exception):
    """The object of a handle is not there any more; the text says what it was and why."""


class TooManyWaits(ValueRefused):
    """A future cannot cross because the job has as many as its policy allows; the reason names the limit."""


class JobCrossing:
    """What crosses to and from one job, as the answer to one call."""

    def __init__(self, table: HandleTable, offer: Offer, limits: Limits, futures: Callable[[], Registration]) -> None:
        self._table = table
        self._offer = offer
        self._limits = limits
        self._futures = futures
        self._registration: Registration | None = None

    # to the guest

    def encode(self, value: object, name: str, *, more_depth: int = 0) -> bytes:
        """Write a value; raises `ValueRefused` with the place in it."""
        bounds = {"max_bytes": self._limits.argument_bytes, "max_depth": self._limits.argument_depth + more_depth}
        try:
            return encode_value(value, name=name, crossing=_REFERENCES, **bounds)
        except ValueRefused:
            lowered = _Lowering(self._refer, bounds["max_bytes"], bounds["max_depth"]).lower(value, name, ())
            return encode_value(lowered, name=name, crossing=_REFERENCES, **bounds)

    def part(self, owner: object, attribute: str | None, value: object) -> HandleRef:
        """Give a handle to one of dbzero's containers that belongs to an object, so that changes of it are seen there.

        It is found again by the object and the attribute; without either it lives in memory.
        """
        if attribute is not None and db0.is_memo(owner):
            return _reference(self._table.bind("dbzero", f"{db0.uuid(owner)}.{attribute}", type(value)))
        return _reference(self._table.bind_in_memory(value))

    def take_events(self) -> tuple[Event, ...]:
        """Return what has to become durable with whatever was written."""
        futures = tuple(self._registration.events) if self._registration is not None else ()
        return (*self._table.take_new(), *futures)

    def undo(self) -> None:
        """Take back what was bound for a value that does not cross after all."""
        self._table.undo()
        if self._registration is not None:
            self._registration.undo()
            self._registration = None

    def _refer(self, value: object, place: str) -> Reference:
        """Give the reference for what is no plain value; raises `ValueRefused`."""
        try:
            if isinstance(value, _FUTURES):
                if self._registration is None:
                    self._registration = self._futures()
                return self._registration.refer(value)
            return _reference(self._bind(value, place))
        except WaitsExhausted as error:
            raise TooManyWaits(str(error), place) from error
        except (HandlesExhausted, TypeError) as error:
            raise ValueRefused(str(error), place) from error

    def _bind(self, value: Any, place: str) -> HandleBound:
        if not isinstance(value, type) and db0.is_memo(value):
            return self._bind_memo(value, place)
        reason = admission.objection(value, self._offer.classes)
        if reason is not None:
            _close(value)
            raise ValueRefused(reason, place)
        name = self._offer.name_of(value)
        return self._table.bind_in_memory(value) if name is None else self._table.bind("local", name, type(value))

    def _bind_memo(self, value: Any, place: str) -> HandleBound:
        if type(value).__module__.partition(".")[0] == "statek":
            raise ValueRefused("the scheduler's own objects cannot cross: return what you need of them", place)
        name = self._offer.name_of(value)
        if name is not None:
            return self._table.bind("local", name, type(value))
        binding = self._table.bind("dbzero", str(db0.uuid(value)), type(value))
        if not db0.getrefcount(value):
            self._table.hold(binding, value)  # nothing in dbzero refers to it yet, so it would die with our name for it
        return binding

    # from the guest

    def resolve(self, value: Any) -> Any:
        """Put objects in the places of handles; raises `ForgedHandle`, `ObjectIsGone`, or TypeError."""
        if isinstance(value, HandleRef):
            return self.object(value.number)
        if isinstance(value, FutureRef):
            raise TypeError("a value that is not there yet cannot be handed over; wait for it first")
        if type(value) not in NESTING:
            return value
        if type(value) is dict:
            return {self.resolve(key): self.resolve(part) for key, part in value.items()}
        return type(value)([self.resolve(part) for part in value])

    def object(self, number: int) -> Any:
        """Return the object of a handle; raises `ForgedHandle` and `ObjectIsGone`."""
        binding = self._table.binding(number)
        held = self._table.held(number)
        if held is not None:
            return held
        match binding.origin:
            case "local":
                return self._exported(binding)
            case "dbzero":
                return _fetch(binding)
        raise ObjectIsGone(
            f"the {binding.type_name} was in the memory of a scheduler that has ended since, or was idle for long; "
            f"get it anew"
        )

    def _exported(self, binding: HandleBound) -> Any:
        try:
            return self._offer.objects[binding.reference]
        except KeyError:
            text = f"the application does not export the {binding.type_name} {binding.reference!r} any more"
            raise ObjectIsGone(text) from None


class _Lowering:
    """Copies a value with references in the places of objects, within bounds."""

    def __init__(self, refer: Callable[[object, str], Reference], max_parts: int, max_depth: int) -> None:
        self._refer = refer
        self._left = max_parts
        self._max_depth = max_depth

    def lower(self, value: Any, place: str, above: tuple[int, ...]) -> Any:
        kind = type(value)
        self._left -= 1
        if self._left < 0:
            raise ValueRefused("larger than what may cross; pass less", place, "bytes")
        if kind in NESTING:
            return self._parts(value, place, above)
        if kind in KNOWN or kind in _REFERENCES.kinds:
            return value
        plain = containers.as_plain(value, self._left)
        if plain is not value:
            return self.lower(plain, place, above)
        if db0.is_enum_value(value):
            return str(value)
        self._left -= _REFERENCE_PARTS
        return self._refer(value, place)

    def _parts(self, value: Any, place: str, above: tuple[int, ...]) -> Any:
        if id(value) in above:
            raise ValueRefused("it contains itself; only a tree can cross", place)
        if len(above) >= self._max_depth:
            raise ValueRefused(f"nested more than {self._max_depth} deep", place, "depth")
        inner = (*above, id(value))
        if type(value) is dict:
            keys = self._each(value, f"{place}[key]", inner)
            return dict(zip(keys, self._each(value.values(), place, inner), strict=True))
        return type(value)(self._each(value, place, inner))

    def _each(self, parts: Iterable[Any], place: str, above: tuple[int, ...]) -> list[Any]:
        return [self.lower(part, f"{place}[{index}]", above) for index, part in zip(itertools.count(), parts)]


def _reference(binding: HandleBound) -> HandleRef:
    return HandleRef(binding.number, binding.type_name)


def _fetch(binding: HandleBound) -> Any:
    """Find an object of dbzero by its uuid, or a container by its object's uuid and the attribute."""
    uuid, _, attribute = binding.reference.partition(".")
    try:
        found = db0.fetch(uuid)
        return getattr(found, attribute) if attribute else found
    except Exception as error:  # dbzero has many kinds of error for it
        text = f"the {binding.type_name} is not in dbzero any more: it was deleted, or its prefix is not open"
        raise ObjectIsGone(text) from error


def _close(value: Any) -> None:
    """End a coroutine that nobody will await, so that Python does not warn of it."""
    close = getattr(value, "close", None)
    if type_name(value) == "coroutine" and callable(close):
        close()
