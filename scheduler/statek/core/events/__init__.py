"""What can happen to a job: the durable facts of which its whole history consists, in the past tense.

The ledger keeps them in order; `core.evolve` folds them into a `Job`; dbzero's objects and clients are told the same
ones. An event is written once and read for years, so a field may be added with a default but never change its meaning.
"""

from __future__ import annotations

from statek.core.events.base import Event
from statek.core.events.batches import (
    BatchEnded,
    BatchSkipped,
    BatchStarted,
    BatchSubmitted,
    CallAnswered,
    CallRequested,
    CheckpointTaken,
    ClockObserved,
    ConsolePrinted,
    LeaseEnded,
    LeaseGranted,
    LimitReached,
    PolicyViolated,
    Progress,
    UsageMetered,
)
from statek.core.events.conversations import (
    HarnessReached,
    MessagePushed,
    ReplyLost,
    SubtaskSpent,
    TurnAnswered,
    TurnFailed,
    TurnRequested,
    TurnUsage,
)
from statek.core.events.lives import (
    HoldDecided,
    JobCancelled,
    JobCreated,
    JobEnded,
    JobForgotten,
    JobHeld,
    JobRevived,
    PolicyChanged,
)
from statek.core.events.waits import (
    FutureCreated,
    FutureResolved,
    FutureTroubled,
    HandleBound,
    JobResumed,
    JobSuspended,
    VariablesOffered,
)

__all__ = [
    "EVENTS",
    "BatchEnded",
    "BatchSkipped",
    "BatchStarted",
    "BatchSubmitted",
    "CallAnswered",
    "CallRequested",
    "CheckpointTaken",
    "ClockObserved",
    "ConsolePrinted",
    "Event",
    "FutureCreated",
    "FutureResolved",
    "FutureTroubled",
    "HandleBound",
    "HarnessReached",
    "HoldDecided",
    "JobCancelled",
    "JobCreated",
    "JobEnded",
    "JobForgotten",
    "JobHeld",
    "JobResumed",
    "JobRevived",
    "JobSuspended",
    "LeaseEnded",
    "LeaseGranted",
    "LimitReached",
    "MessagePushed",
    "PolicyChanged",
    "PolicyViolated",
    "Progress",
    "ReplyLost",
    "SubtaskSpent",
    "TurnAnswered",
    "TurnFailed",
    "TurnRequested",
    "TurnUsage",
    "UsageMetered",
    "VariablesOffered",
]

EVENTS: dict[str, type[Event]] = {cls.kind: cls for cls in Event.__subclasses__()}
"""Every event by its name in the ledger."""
