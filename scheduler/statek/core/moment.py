"""What a decision needs to know beyond the job and the message: the time, the policy's room, and what is on record."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from statek_protocol.messages.base import ARGUMENTS_LIMIT

if TYPE_CHECKING:
    from statek.core.events import FutureResolved


def _nothing(_: int) -> None:
    return None


@dataclass(frozen=True, slots=True)
class Moment:
    """Whoever asks for a decision takes it from clock and ledger, so that the decision itself stays pure."""

    at_us: int = 0
    """The scheduler's clock, in µs of Unix time."""
    resolved: Callable[[int], FutureResolved | None] = _nothing
    """What became of the job's future of that number, if that is on record."""
    value_bytes: int = ARGUMENTS_LIMIT
    """How large a value may be that crosses to the job."""
    suspended: int = 0
    """Jobs that are suspended now."""
    max_suspended: int | None = None
    """How many may be; None for no bound."""
