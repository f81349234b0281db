"""What a decision is: facts that are to become durable, and what is to be done once they are."""

from __future__ import annotations

from dataclasses import dataclass

from statek.core.events import Event
from statek.core.instructions import Instruction
from statek.core.leases import Lease
from statek.core.workspaces import WorkspaceChange


class LeaseFault(Exception):
    """The interpreter said what an honest one cannot say at this point; its lease must end."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What follows from one message: events to make durable (with the variables), then instructions to carry out."""

    events: tuple[Event, ...] = ()
    instructions: tuple[Instruction, ...] = ()
    lease: Lease | None = None
    """The lease as it stands afterwards; None when it has ended."""
    workspace: WorkspaceChange | None = None
    """What changes of the variables that are kept."""
