"""What a job knows of its futures that are not resolved, and of the call in which it waits for one of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Final, Literal

from statek_protocol.messages.base import BatchNumber, Count, Word
from statek_protocol.references import PATH_LIMIT
from statek_protocol.schema import Bounds

OF_SUBTASK: Final = "job/"
"""What the key of a future begins with that a subtask's end resolves; the subtask's name follows."""
PARTS_LIMIT: Final = 100
"""Futures that one future can be combined of."""

FutureShape = Literal["temporal", "promise", "any", "all", "value"]
"""How a future comes by its value: by a condition, from outside, by the first or by all of others, or it has it."""


@dataclass(frozen=True, slots=True)
class FuturePart:
    """A future of the job, or an element of its value: its number, and the steps of unpacking that lead there."""

    number: Count
    path: Annotated[tuple[Count, ...], Bounds(0, PATH_LIMIT)] = ()


Parts = Annotated[tuple[FuturePart, ...], Bounds(0, PARTS_LIMIT)]


@dataclass(frozen=True, slots=True)
class FutureEntry:
    """A future that is not resolved; what it was made from is in its `FutureCreated`."""

    number: Count
    shape: FutureShape
    parts: Parts = ()
    """What an "any" or "all" is made of."""
    key: Word = ""
    """Under which it can be completed from outside."""
    function: Word = ""
    """The tool whose condition and complement a "temporal" has."""
    deadline_us: Count | None = None

    def __str__(self) -> str:
        if self.parts:
            return f"{self.shape} of {len(self.parts)} futures"
        if self.key.startswith(OF_SUBTASK):
            return f"the subtask {self.key.removeprefix(OF_SUBTASK)}"
        return " or ".join(filter(None, (self.function, self.key and f"key {self.key}")))


@dataclass(frozen=True, slots=True)
class AwaitedFuture:
    """The call for a future's value that the job is suspended in."""

    batch: BatchNumber
    call: Count
    future: FuturePart
    instruction: Count
    """The top-level statement that the guest says it is in (the seeds' next_instr_num)."""
    since_us: Count
