"""The loop's part about what people want of a job: messages, cancelling it, trying it again.

What any of it means is decided in `core.turns` and `core.steering`. What a message does to a job that waits for a
future is its agent's affair: where the application is to be asked, the message is on record before, and it is asked
again by the next scheduler if this one ends before the answer.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from statek.calls.outcomes import wire_text
from statek.core import holds, steering, turns
from statek.core.decisions import Decision
from statek.core.events import BatchEnded, BatchSkipped, BatchSubmitted, Event, JobEnded, MessagePushed
from statek.core.jobs import OVER, Job
from statek.errors import SubmissionRefused
from statek.loop.tick import Tick

if TYPE_CHECKING:
    from statek.loop.loop import Loop

log = logging.getLogger(__name__)

SAID_CHARACTERS: Final = 200
"""Of a message, where it is quoted."""
_STEERED: Final = tuple(event.kind for event in (BatchSubmitted, BatchEnded, BatchSkipped, JobEnded))
_PAGE: Final = 1_000

Wish = Literal["keep", "wake", "cancel"]
"""What a message does to a job that waits for a future."""
Decider = Callable[[str, str, str, Callable[[Wish], None]], bool]
"""Asks the application (agent, job, text) and brings its answer; False where there is nobody to ask."""


class Steering:
    """Keeps nothing: jobs are as the loop has them."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self.ask_application: Decider = lambda *_: False

    # messages

    def take_up_messages(self, job: Job) -> None:
        """Have the application asked again about messages to a job that waits: its answer may not have come before."""
        if job.conversation is not None and job.conversation.unread:
            self._loop.do(partial(self._tell_again, job.job))

    def push(self, tick: Tick, name: str, text: bytes, source: str) -> bool:
        """Take a message for a job; False where there is no such job, or it takes none any more."""
        job = self._loop.job_in_turn(tick, name)
        if job is None or self.why_no_message(tick, job) is not None:
            return False
        events = turns.pushed(job, text, source, steering.anew(job, self._to_do(tick, job)))
        after = self._loop.decide(tick, name, lambda _, lease: Decision(events, (), lease))
        if after is not None and after.awaited is not None:
            self._tell_waiting(tick, after, _shown(text), source)
        return True

    def why_no_message(self, tick: Tick, job: Job) -> str | None:
        """Say why a job takes no message, if it does not."""
        reason = why_no_message(job)
        if reason is not None or job.status != "DONE":
            return reason
        owner = self._loop.spending.outspent_by(tick, job)
        return None if owner is None else f"the job {owner.job!r} and its subtasks have spent what they may together"

    def _tell_waiting(self, tick: Tick, job: Job, text: str, source: str) -> None:
        """Do with a job that waits for a future what its agent says that a message does."""
        version = self._loop.roster.version(job, tick)
        wish = "keep" if version is None else version.on_message
        if wish != "ask":
            self._carry_out(tick, job.job, wish, text, source)
            return

        def decided(wish: Wish) -> None:
            self._loop.do(lambda tick: self._carry_out(tick, job.job, wish, text, source))

        if not self.ask_application(job.agent, job.job, text, decided):
            log.warning("nobody says what a message does to %s: its application is not here", job.job)

    def _tell_again(self, name: str, tick: Tick) -> None:
        job = self._loop.job_in_turn(tick, name)
        version = None if job is None else self._loop.roster.version(job, tick)
        if job is None or job.conversation is None or version is None or version.on_message != "ask":
            return  # anything else was done in the transaction in which the message came
        unread = self._loop.ledger.events_before(
            name, self._loop.ledger.last_cursor + 1, (MessagePushed.kind,), job.conversation.unread
        )
        for stored in reversed(unread):
            if isinstance(stored.event, MessagePushed) and job.awaited is not None:
                self._tell_waiting(tick, job, _shown(stored.event.text), stored.event.source)

    def _carry_out(self, tick: Tick, name: str, wish: Wish, text: str, source: str) -> None:
        said = f"{source or 'somebody'} said: {text[:SAID_CHARACTERS]}"
        if wish == "cancel":
            self.cancel(tick, name, f"a message came while it waited: {said}")
        elif wish == "wake":
            self._loop.waiting.cancel_job(tick, name, f"a message came: {said}")

    def cancel(self, tick: Tick, name: str, reason: str, request: str = "") -> Literal["cancelled", "nothing"]:
        """End a job whatever it is at, and its subtasks; asked again by the same request, it is said again that it was.

        Raises `SubmissionRefused` for a job that is not there, or not any more.
        """
        job = self._known(tick, name)
        if job.status in OVER:
            return "cancelled" if request and job.decided == request else "nothing"
        said = wire_text(reason)  # a tool may pass on what a guest says
        self._loop.decide(tick, name, lambda job, lease: steering.cancel(job, lease, said, request))
        self._cancel_subtasks(tick, name)
        return "cancelled"

    def _cancel_subtasks(self, tick: Tick, name: str) -> None:
        """End what nobody waits for any more: the subtasks of a cancelled job, and theirs."""
        cancelled = [name]
        while cancelled:
            parent = cancelled.pop()
            reason = f"the job {parent}, whose subtask it is, was cancelled"
            now = [job.job for job in tick.changed.values() if job.parent == parent]
            for child in dict.fromkeys((*self._loop.ledger.children(parent), *now)):
                job = self._loop.job_in_turn(tick, child)
                if job is not None and job.status not in OVER:
                    self._loop.decide(tick, child, partial(steering.cancel, reason=reason))
                    cancelled.append(child)

    def retry(self, tick: Tick, name: str, request: str = "") -> Literal["retried", "nothing"]:
        """Let a job that did not end as it should be tried again; asked again by the same request, it is not.

        Raises `SubmissionRefused` for one that is not there, or was ended for good.
        """
        job = self._known(tick, name)
        over = holds.why_over(job)
        if over is not None:
            raise SubmissionRefused(*over)
        if request and job.decided == request:
            return "retried"
        events = steering.retry(job, self._to_do(tick, job), request)
        if not events:
            return "nothing"
        self._loop.decide(tick, name, lambda _, lease: Decision(events, (), lease))
        return "retried"

    def _known(self, tick: Tick, name: str) -> Job:
        job = self._loop.job_in_turn(tick, name)
        if job is None:
            raise SubmissionRefused("unknown_job", f"there is no job {name!r} in this store")
        if job.status == "FORGOTTEN":
            raise SubmissionRefused("forgotten", f"the job {name!r} ended long ago and its record was deleted")
        return job

    def _to_do(self, tick: Tick, job: Job) -> tuple[BatchSubmitted, ...]:
        """Return the batches of a job's last life that are to be done again: skipped, or not ended as they should."""
        if not steering.does_batches_again(job):
            return ()
        found: list[Event] = []
        after = 0
        while page := self._loop.ledger.events(job.job, after, _PAGE, _STEERED):
            found += [stored.event for stored in page]
            after = page[-1].cursor
        now = [record.event for record in tick.records if record.job == job.job]
        return steering.LastLife.of((*found, *now)).to_do


def why_no_message(job: Job) -> str | None:
    """Say why a job by itself takes no message, if it does not."""
    over = holds.why_over(job)
    if over is not None:
        return over[1]
    if job.conversation is None:
        return f"the job {job.job!r} has no agent whose model could be told"
    bound = turns.bound_of_messages(job)
    if bound is not None:
        return f"the job {job.job!r} ended at a bound of its agent ({bound}); `statek job retry` grants it once more"
    return None


def _shown(text: bytes) -> str:
    """Read a message for people and applications; lone surrogates become escapes."""
    return text.decode("utf-8", "surrogatepass").encode("utf-8", "backslashreplace").decode()
