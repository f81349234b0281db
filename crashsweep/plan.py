"""Which disturbance comes next: pure, from a seed.

Every kind of message meets every victim and every trouble in turn, and so does the commit of every kind of event.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Final, Literal

from statek_protocol.messages.executor import (
    FROM_SUPERVISOR,
    FROM_SUPERVISOR_LEASED,
    TO_SUPERVISOR,
    TO_SUPERVISOR_LEASED,
)

Part = Literal["scheduler", "supervisor", "zygote", "template", "interpreter", "pusher"]
Trouble = Literal["kill", "drop", "duplicate", "delay", "sever"]
When = Literal["before", "after", "any time"]

PARTS: Final[tuple[Part, ...]] = ("scheduler", "supervisor", "zygote", "template", "interpreter", "pusher")
LINK_TROUBLES: Final[tuple[Trouble, ...]] = ("drop", "duplicate", "delay", "sever")
_NEVER_HERE: Final = {"goodbye", "rejected", "drain", "cancel"}
"""Kinds of orderly stops and of refusals, which a sweep does not come to."""
KINDS: Final = tuple(
    sorted(
        message.kind
        for message in FROM_SUPERVISOR | FROM_SUPERVISOR_LEASED | TO_SUPERVISOR | TO_SUPERVISOR_LEASED
        if message.kind not in _NEVER_HERE
    )
)
OF_A_CONNECTION: Final = {"hello", "welcome", "unknown"}
"""Kinds that only come when a connection is new: where one of them is wanted, the connection is ended for it."""
QUEUED: Final = "queued"
"""Stands among the kinds of events where something was put into a queue, which is no event of a job."""
COMMITTED: Final = (
    *(QUEUED, "job_created", "variables_offered", "batch_submitted", "lease_granted", "batch_started"),
    *("call_requested", "call_answered", "console_printed", "checkpoint_taken", "batch_ended", "job_ended"),
    *("turn_requested", "turn_answered", "turn_failed", "message_pushed", "job_cancelled", "job_revived"),
    *("future_created", "job_suspended", "future_resolved", "job_resumed", "lease_ended"),
)
"""Kinds of events, and what is put into queues, at whose commits something happens."""
MODEL_REPLY: Final = "model reply"
"""Before it nothing of a reply was said, after it all was."""
MODEL_REPLIES: Final = 4
"""How often a round comes to a reply of the model, before it and after it."""
_VICTIMS: Final[tuple[tuple[Part, ...], ...]] = (
    *((part,) for part in PARTS),
    ("interpreter",),
    ("scheduler",),
    *combinations(PARTS, 2),
)
"""One or two at once; the two that hold a job's state come more often."""
_AT_COMMITS: Final = (
    *(victims for victims in _VICTIMS if "scheduler" in victims),
    *(("scheduler",),) * len(PARTS),
    ("pusher",),
    ("interpreter",),
)
"""Whoever commits comes most often."""
LONG_DELAY_SECONDS: Final = 6.0
"""Longer than a silent executor keeps its leases."""


@dataclass(frozen=True, slots=True)
class Disturbance:
    """What happens, and at which message, commit or reply, or after how long."""

    number: int
    trouble: Trouble
    when: When
    kind: str
    """Of the message, commit or reply at which it happens; empty for a random time."""
    skip: int
    """Those of that kind that are let pass before."""
    seconds: float
    """Until it happens at a random time; how long a delay is."""
    victims: tuple[Part, ...] = ()

    def __str__(self) -> str:
        place = f"{self.when} {self.kind} (+{self.skip})" if self.kind else f"after {self.seconds:.2f} s"
        return f"#{self.number} {self.trouble} {' and '.join(self.victims)} {place}"


def commit_of(kind: str) -> str:
    """Name the commits of a kind of event."""
    return f"commit {kind}"


AT_COMMITS: Final = tuple(commit_of(kind) for kind in COMMITTED)
_PLACES: Final = (*KINDS, *AT_COMMITS, *(MODEL_REPLY,) * MODEL_REPLIES)


def disturbances(seed: int) -> Iterator[Disturbance]:
    """Yield disturbances for ever; the same for the same seed."""
    draw = random.Random(seed)
    number = 0
    while True:
        points: list[tuple[Trouble, When, str]] = [("kill", "before", kind) for kind in _PLACES]
        points += [("kill", "after", kind) for kind in _PLACES]
        points += [("kill", "any time", "") for _ in range(len(KINDS) // 2)]
        points += [(trouble, "before", draw.choice(KINDS)) for trouble in LINK_TROUBLES]
        draw.shuffle(points)
        for trouble, when, kind in points:
            number += 1
            victims = draw.choice(_VICTIMS if kind in KINDS or not kind else _AT_COMMITS) if trouble == "kill" else ()
            short = draw.uniform(0.0, 1.0)
            seconds = LONG_DELAY_SECONDS if trouble == "delay" and draw.random() < 0.2 else short
            skip = draw.choice((0, 0, 0, 1, 3, 7))
            yield Disturbance(number, trouble, when, kind, 0 if kind in OF_A_CONNECTION else skip, seconds, victims)
