"""What the machine tells the rims to do, once the events of the same decision are durable."""

from __future__ import annotations

from dataclasses import dataclass

from statek_protocol.messages.base import Message


@dataclass(frozen=True, slots=True)
class Send:
    """Send this message to the interpreter that holds the lease."""

    message: Message


@dataclass(frozen=True, slots=True)
class StartBatch:
    """Compose the `Run` of the batch in hand from the ledger and send it."""


@dataclass(frozen=True, slots=True)
class EndLease:
    """Tell the supervisor to end the interpreter, and forget the lease."""

    reason: str


@dataclass(frozen=True, slots=True)
class RunTool:
    """Run a tool for the guest and bring its outcome back to the machine."""

    batch: int
    number: int
    tool: str
    arguments: bytes
    repeated: bool
    """The call was requested before and no outcome is known: only a tool that is idempotent may run again."""


@dataclass(frozen=True, slots=True)
class AnswerFromLedger:
    """Answer a replayed call with its recorded outcome."""

    batch: int
    number: int


@dataclass(frozen=True, slots=True)
class CheckFuture:
    """Look whether a future is there, and bring the answer back to `waits.checked`."""

    batch: int
    call: int
    future: int


Instruction = Send | StartBatch | EndLease | RunTool | AnswerFromLedger | CheckFuture
