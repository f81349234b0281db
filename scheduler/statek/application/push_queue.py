"""A durable queue: messages for jobs and events for agents, from any process on the machine of the store.

What a push returned from is durable. It is delivered once, in the order in which it was pushed for its job or agent,
and leaves the queue in the transaction in which its job has it. What cannot be delivered becomes a dead letter, with
the reason, until it is put back or thrown away. The scheduler delivers only what lies in the queues that it was told.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from statek.application import asking
from statek.application.giving import plainly, written
from statek.calls.current import current_call, key_of_call
from statek.errors import SubmissionRefused
from statek.inspection.store_view import StoreView
from statek.loop.queueing import MAIN, NewItem
from statek.store.queue_table import QueueDepth, QueueItem
from statek_policies.errors import shown
from statek_protocol.messages.base import NAME_LIMIT

if TYPE_CHECKING:
    from statek.agents.agent import Agent
    from statek.loop.loop import Loop
    from statek.loop.tick import Tick

PAGE: Final = 100
KEY_BYTES: Final = 16


class PushQueue:
    """A queue by its name, from any thread but the scheduler's own loop (there: `await asyncio.to_thread(...)`)."""

    def __init__(self, name: str = MAIN, *, store: Path | str | None = None) -> None:
        """Without `store` the scheduler of this process is meant, or the store that `statek` commands use.

        Raises TypeError or `SubmissionRefused` for what is no name of a queue.
        """
        self.name = _checked_name(name)
        self._store = store

    def __repr__(self) -> str:
        return f"PushQueue({self.name!r})"

    def push_to_job_console(self, job_uuid: str, message: str, *, key: str | None = None) -> int:
        """Say something to a job, also to one that has ended; return the number under which it is durable.

        With the same `key` in this queue it is the same push, however often it is made. Raises `SubmissionRefused`
        where the queue is full, TypeError for what is no text.
        """
        if type(message) is not str:
            raise TypeError(f"a message to a job is a str, not {type(message).__name__}; an event goes to an agent")
        body = message.encode("utf-8", "surrogatepass")
        return self._push(body, body, job_uuid, None, key)

    def push_to_agent_queue(self, agent: Agent | str, event: Any, *, key: str | None = None) -> int:
        """Have an agent get an event, as a new job with the event in its variables; otherwise as the other one.

        In the scheduler's process an event may hold objects of dbzero and of the application, elsewhere plain values.
        Raises TypeError with the place of what cannot be given.
        """
        here = asking.scheduler_here(self._store)
        sent = plainly(event, "event") if here is None else b""
        return self._push(written(here, event, "event"), sent, None, role_of(agent), key)

    def _push(self, kept: bytes, sent: bytes, job: str | None, agent: str | None, key: str | None) -> int:
        """Push a body, as the ledger keeps it and as it is sent to a scheduler of another process."""
        key = key or key_of_call() or secrets.token_hex(KEY_BYTES)
        item = NewItem(self.name, job, agent, kept, key, _source())
        return asking.decided(
            self._store,
            lambda loop, tick: loop.queueing.push(tick, item),
            lambda client: client.push(self.name, sent, job=job, agent=agent, key=key),
        )

    # what is in it

    def depth(self, agent: Agent | str | None = None) -> int:
        """Count what waits in it: all of it, or what is for one agent."""
        wanted = None if agent is None else role_of(agent)
        return sum(depth.waiting for depth in self.depths() if wanted is None or depth.agent == wanted)

    def depths(self) -> list[QueueDepth]:
        """Return what waits and what is dead in it, for each agent and for jobs, with the age of the oldest."""
        with StoreView(self._store).reading() as ledger:
            return [depth for depth in ledger.queue_depths() if depth.queue == self.name]

    def is_empty(self) -> bool:
        """Tell whether nothing waits in it; dead letters do not count."""
        return self.depth() == 0

    def has_job(self, job_uuid: str) -> bool:
        """Tell whether a message for the job waits in it."""
        with StoreView(self._store).reading() as ledger:
            return ledger.queue_has_job(self.name, job_uuid)

    def has_agent_events(self, agent: Agent | str) -> bool:
        """Tell whether an event for the agent waits in it."""
        return self.depth(agent) > 0

    def dead_letters(self, *, after: int = 0, limit: int = PAGE) -> list[QueueItem]:
        """Return what could not be delivered, oldest first, each with its `dead_reason`; `after` a number."""
        with StoreView(self._store).reading() as ledger:
            return ledger.dead_letters(self.name, after, limit)

    def redrive(self, number: int | None = None) -> int:
        """Put a dead letter back in line, or all of them; return how many that are."""
        return self._act(number, "redrive")

    def discard(self, number: int | None = None) -> int:
        """Throw a dead letter away, or all of them; return how many that are."""
        return self._act(number, "discard")

    def _act(self, number: int | None, act: Any) -> int:
        def decide(loop: Loop, tick: Tick) -> int:
            return loop.queueing.redrive(tick, self.name, number, act)

        return asking.decided(self._store, decide, lambda client: client.redrive(self.name, number, act))


def role_of(agent: Agent | str) -> str:
    """Return the name of an agent that is given by itself or by its name; raises TypeError for anything else."""
    name = agent if isinstance(agent, str) else getattr(agent, "role", None)
    if not isinstance(name, str):
        raise TypeError(f"an agent or the name of one is needed, not {type(agent).__name__}")
    return name


def _checked_name(name: object) -> str:
    if type(name) is not str:
        raise TypeError(f"a queue's name is a str, not {type(name).__name__}")
    if not 1 <= len(name) <= NAME_LIMIT or not name.isprintable():
        text = f"{shown(name)} is no name of a queue: 1 to {NAME_LIMIT} printable characters are needed"
        raise SubmissionRefused("queue", text)
    return name


def _source() -> str:
    call = current_call()
    return "application" if call is None else call.job
