"""How fast an interpreter may say what becomes durable, and what it cannot honestly say at all. Pure.

An honest guest that prints letter by letter is slowed down by this; one that computes for long keeps fewer checkpoints,
and a crash then costs more of what it did. A hostile interpreter fills no disk and keeps no scheduler busy.
"""

from __future__ import annotations

from typing import Final, TypeAlias

from statek_executor.supervisor.quotas import QuotaExceeded
from statek_policies import Limits
from statek_protocol.messages.base import MIB, Message
from statek_protocol.messages.interpreter import (
    Call,
    Checkpoint,
    Console,
    Failed,
    Finished,
    Observed,
    Violated,
)

FromInterpreter: TypeAlias = Console | Call | Observed | Checkpoint | Violated | Finished | Failed
"""What `statek_protocol.messages.interpreter.FROM_INTERPRETER` lists, for type checkers."""

RECORDS_AT_ONCE: Final = 12_000
RECORDS_PER_SECOND: Final = 1_000.0
PIECES_AT_ONCE: Final = 3_000
"""Of output: far more than an agent prints in a batch."""
PIECES_PER_SECOND: Final = 3_000.0
"""They become few records, but each has to be read, and who floods makes his neighbours wait for that."""
BYTES_AT_ONCE: Final = MIB
"""What a guest may print under the default policy."""
BYTES_PER_SECOND: Final = float(MIB)
CHECKPOINTS_AT_ONCE: Final = 4
"""Of the largest size that the policy allows; smaller ones are as many more."""
SECONDS_PER_CHECKPOINT: Final = 5.0
"""Of that size, once those are used up."""
VIOLATION_CHARACTERS: Final = 2_400
"""An interpreter cuts its details at 2000, and an unpaired surrogate at the cut becomes an escape."""

_OWN_LAYERS: Final = frozenset({"compile", "runtime", "values", "limits"})
"""Layers that refuse something inside an interpreter; it cannot speak for the others."""


class Bucket:
    """Fills at a steady rate up to its size; whoever takes more than there is waits or goes without."""

    def __init__(self, size: float, per_second: float, now: float) -> None:
        self._size, self._per_second = size, per_second
        self._level, self._looked = size, now

    def take(self, amount: float, now: float) -> float:
        """Take an amount, lent if need be; returns the seconds until what was lent is back."""
        self._fill(now)
        self._level -= amount
        return max(0.0, -self._level / self._per_second)

    def take_if_there(self, amount: float, now: float) -> bool:
        """Take an amount if there is as much, and tell."""
        self._fill(now)
        if amount > self._level:
            return False
        self._level -= amount
        return True

    def _fill(self, now: float) -> None:
        self._level = min(self._size, self._level + (now - self._looked) * self._per_second)
        self._looked = now


class Flow:
    """What one lease's interpreter may still pass on, and when."""

    def __init__(self, limits: Limits, now: float) -> None:
        largest = max(1, limits.workspace_bytes)
        self._records = Bucket(RECORDS_AT_ONCE, RECORDS_PER_SECOND, now)
        self._pieces = Bucket(PIECES_AT_ONCE, PIECES_PER_SECOND, now)
        self._bytes = Bucket(BYTES_AT_ONCE, BYTES_PER_SECOND, now)
        self._checkpoints = Bucket(CHECKPOINTS_AT_ONCE * largest, largest / SECONDS_PER_CHECKPOINT, now)

    def is_spare(self, message: Message, now: float) -> bool:
        """Tell whether a message is to be dropped: a checkpoint that comes when more than enough were kept of late."""
        if not isinstance(message, Checkpoint):
            return False
        size = sum(len(segment.data) for segment in message.snapshot.segments)
        return not self._checkpoints.take_if_there(size, now)

    def pause_after(self, message: Message, now: float) -> float:
        """Return the seconds for which nothing more is to be read; calls wait for their replies anyway."""
        match message:
            case Console():
                return max(self._pieces.take(1, now), self._bytes.take(len(message.data), now))
            case Observed() | Violated():
                return self._records.take(1, now)
            case _:
                return 0.0


def check_honest(message: FromInterpreter, batch: int, due_call: int, *, awaiting: bool, all_read: bool) -> None:
    """Raise `QuotaExceeded` for what only a hostile interpreter says.

    `batch` is the one in hand, `due_call` the number that a call must have; `awaiting`: a call of its was not answered
    yet; `all_read`: it took all that was sent.
    """
    if message.batch != batch:
        raise QuotaExceeded(f"{message.kind} of batch {message.batch} while batch {batch} ran")
    match message:
        case Call() | Console() | Observed() | Checkpoint() | Finished() if awaiting:
            raise QuotaExceeded(f"{message.kind} while it waited for a reply")
        case Violated() if message.layer not in _OWN_LAYERS:
            raise QuotaExceeded(f"a violation in the name of the layer {message.layer}")
        case Violated() if len(message.detail) > VIOLATION_CHARACTERS:
            raise QuotaExceeded(f"a violation of {len(message.detail)} characters")
        case Call() if message.number != due_call:
            raise QuotaExceeded(f"call {message.number} where call {due_call} was due")
        case Call() if not all_read:
            raise QuotaExceeded("a call before it had read the reply to the last one")
        case _:
            pass
