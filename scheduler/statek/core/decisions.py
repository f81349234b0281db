"""What a decision is: facts that are to become durable, and what is to be done once they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from statek.core.events import Event
from statek.core.instructions import Instruction
from statek.core.leases import Lease


class LeaseFault(Exception):
    """The interpreter said what an honest one cannot say at this point; its lease must end."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from one message: events to make durable (with their blobs), then instructions to carry out."""

    events: tuple[Event, ...] = ()
    instructions: tuple[Instruction, ...] = ()
    lease: Lease | None = None
    """The lease as it stands afterwards; None when it has ended."""
    blobs: Mapping[str, bytes] = field(default_factory=dict)
