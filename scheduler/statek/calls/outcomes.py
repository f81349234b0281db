"""What came of a call: bytes for the guest or an error as data, and what has to become durable with it."""

from __future__ import annotations

import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import msgpack

from statek.core.events import Event
from statek.store.records import pack, unpack_event
from statek_protocol.messages.base import ARGUMENTS_LIMIT, NAME_LIMIT
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.schema import Bounds, dump, load

TEXT_LIMIT: Final = 2_000
"""Characters of an error that a guest gets to see."""
RESERVED: Final = frozenset(
    {"PolicyViolation", "LimitError", "ToolOutcomeUnknown", "ToolTimeout", "ObjectGone", "IsMethod"}
    | {"WaitTimeout", "WaitCancelled", "FutureFailed", "JobCancelled", "SubTaskFailed"}
)
"""Types of error that mean something between us and the interpreter; an application's own do not pass as these."""


@dataclass(frozen=True, slots=True)
class CallOutcome:
    """The outcome of one call."""

    value: bytes | None
    error: GuestError | None
    events: tuple[Event, ...] = ()
    """What the answer mentions and the job did not have before; durable with it."""
    rule: str = ""
    """The rule that the call violated; the error says how."""


@dataclass(frozen=True, slots=True)
class Variables:
    """What came of letting variables cross to a job."""

    names: tuple[str, ...] = ()
    """Those that it was given; none where that is to be tried again."""
    values: bytes | None = None
    """The encoded dict of them."""
    bound: tuple[Event, ...] = ()
    """The objects among them."""
    given: bool = False
    """What the job starts with is among them."""
    error: GuestError | None = None
    """Why what it starts with cannot be given; then the job cannot go on."""


@dataclass(frozen=True, slots=True)
class _Marked:
    """An outcome as it is kept beside the changes that it stands for."""

    value: Annotated[bytes, Bounds(0, ARGUMENTS_LIMIT)] | None
    error: GuestError | None
    rule: str
    kinds: Annotated[tuple[str, ...], Bounds(0, 100_000)]
    events: Annotated[tuple[Annotated[bytes, Bounds(0, ARGUMENTS_LIMIT)], ...], Bounds(0, 100_000)]


def to_marker(outcome: CallOutcome) -> bytes:
    """Write an outcome down."""
    kinds, events = tuple(event.kind for event in outcome.events), tuple(map(pack, outcome.events))
    marked = _Marked(outcome.value, outcome.error, outcome.rule, kinds, events)
    data: bytes = msgpack.packb(dump(marked), unicode_errors="surrogatepass")
    return data


def from_marker(data: bytes) -> CallOutcome:
    """Read what `to_marker` wrote."""
    marked = load(_Marked, msgpack.unpackb(data, unicode_errors="surrogatepass"))
    events = tuple(unpack_event(kind, body) for kind, body in zip(marked.kinds, marked.events, strict=True))
    return CallOutcome(marked.value, marked.error, events, marked.rule)


def failed(type_name: str, text: str, *, rule: str = "") -> CallOutcome:
    """Make the outcome of a call that came to an error of ours."""
    return CallOutcome(None, GuestError(type_name, wire_text(text), None), rule=rule)


def raised(error: BaseException) -> CallOutcome:
    """Turn what an application raised into data: its name and text, and nothing of where on this host it came from."""
    name, text = wire_text(type(error).__name__)[:NAME_LIMIT] or "Exception", _text_of(error)
    if name in RESERVED:
        name, text = "ToolError", f"{name}: {text}"
    return CallOutcome(None, GuestError(name, wire_text(_without_places(text, _places())), None))


def _text_of(error: BaseException) -> str:
    """Ask an exception for its text; its own `__str__` may fail too."""
    if isinstance(error, OSError) and error.filename is not None and type(error.strerror) is str:
        return error.strerror
    try:
        if type(error) is KeyError and len(error.args) == 1:
            return repr(error.args[0])
        return str(error)
    except BaseException as failure:  # noqa: BLE001 - application code ran
        return f"(its text cannot be had: {type(failure).__name__})"


def wire_text(text: str) -> str:
    """Cut a text and replace lone surrogates, which the wire's texts cannot carry."""
    return str.__getitem__(text, slice(TEXT_LIMIT)).encode("utf-8", "backslashreplace").decode()[:TEXT_LIMIT]


def _places() -> Iterable[str]:
    """List the directories of this host that an error's text may name."""
    application = getattr(sys.modules.get("statek_app"), "__file__", None)
    ours = [sys.prefix, sys.base_prefix, sysconfig.get_path("stdlib"), str(Path.home())]
    places = [*ours, *([str(Path(application).parent)] if application else [])]
    return sorted((place for place in places if place.count("/") > 1), key=len, reverse=True)


def _without_places(text: str, places: Iterable[str]) -> str:
    for place in places:
        text = text.replace(place, "...")
    return text
