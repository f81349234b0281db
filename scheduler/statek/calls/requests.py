"""A call that is to be made, and what is needed to make it: put together in the loop, used in dbzero's thread."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from statek.calls.handles import HandleTable, HandleTables
from statek.core.events import Event
from statek_policies import Policy
from statek_protocol.references import FutureRef


class Registration(Protocol):
    """Lets futures cross to one job; what they are becomes durable with `events`."""

    events: list[Event]

    def refer(self, obj: Any) -> FutureRef:
        """Return the reference for a future or an element of one; raises TypeError."""

    def undo(self) -> None:
        """Take back what was registered: it does not cross after all."""


@dataclass(frozen=True)
class CallRequest:
    """One call of a guest."""

    job: str
    batch: int
    number: int
    name: str
    """Of the tool or the operation."""
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    policy: Policy
    tables: HandleTables
    futures: Callable[[], Registration]
    futures_registered: int = 0
    """How many futures of the application the job has on record."""
    repeated: bool = False

    @property
    def key(self) -> str:
        """Name the call for ever: the same text in every replay."""
        return f"{self.job}/{self.batch}/{self.number}"

    @property
    def table(self) -> HandleTable:
        """The job's objects. In dbzero's thread."""
        return self.tables.of(self.job)
