"""What can happen to the values of a job that come from outside: futures, objects, variables."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from statek.core.awaiting import FutureShape, Parts
from statek.core.events.base import Event
from statek.core.jobs import Digest
from statek_protocol.messages.base import (
    ARGUMENTS_LIMIT,
    BatchNumber,
    Count,
    Identifier,
    Sentence,
    Word,
)
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.schema import Bounds


@dataclass(frozen=True, slots=True)
class FutureCreated(Event):
    """The job got a value that is not there yet."""

    kind: ClassVar[str] = "future_created"
    number: Count
    shape: FutureShape
    function: Word = ""
    """Of a "temporal": the name of the tool whose condition and complement it has."""
    deps: Annotated[bytes, Bounds(0, ARGUMENTS_LIMIT)] = b""
    """Of a "temporal": what its condition looks at, as `futures.dependencies` writes it."""
    state_num: Count | None = None
    parts: Parts = ()
    key: Word = ""
    deadline_us: Count | None = None


@dataclass(frozen=True, slots=True)
class FutureTroubled(Event):
    """A future's condition or complement raised or hung; it is asked again, less and less often."""

    kind: ClassVar[str] = "future_troubled"
    number: Count
    error: Sentence
    failures: Count
    """How often in a row; not each of many is an event."""


@dataclass(frozen=True, slots=True)
class FutureResolved(Event):
    """A future has its value, or will never have one."""

    kind: ClassVar[str] = "future_resolved"
    number: Count
    value: Annotated[bytes, Bounds(0, ARGUMENTS_LIMIT)] | None
    error: GuestError | None


@dataclass(frozen=True, slots=True)
class JobSuspended(Event):
    """The guest needs the value of a future that is not resolved, and stands still in that call."""

    kind: ClassVar[str] = "job_suspended"
    batch: BatchNumber
    call: Count
    future: Count
    path: Annotated[tuple[Count, ...], Bounds(0, 16)]
    instruction: Count
    since_us: Count
    awaits: Sentence = ""
    """What it is, for people."""


@dataclass(frozen=True, slots=True)
class JobResumed(Event):
    """The call in which the job was suspended has its outcome."""

    kind: ClassVar[str] = "job_resumed"
    batch: BatchNumber
    call: Count


@dataclass(frozen=True, slots=True)
class HandleBound(Event):
    """The job was given an object of the application's under a number, which it keeps for ever."""

    kind: ClassVar[str] = "handle_bound"
    number: Count
    origin: Literal["local", "dbzero", "memory"]
    """How it is found again: by its name among what the application exports, by its uuid, or not at all."""
    reference: Annotated[str, Bounds(0, 2_000)]
    type_name: Identifier
    """The name of its class as the guest sees it."""
    class_name: Sentence


@dataclass(frozen=True, slots=True)
class VariablesOffered(Event):
    """The job was given variables that the application exports."""

    kind: ClassVar[str] = "variables_offered"
    names: Annotated[tuple[Identifier, ...], Bounds(0, 10_000)]
    values: Digest
    """The blob of the encoded dict: values by name, with handles in the places of objects. Empty where none crossed."""
    given: bool = False
    """What the job starts with is among them."""
