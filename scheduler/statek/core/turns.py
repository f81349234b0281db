"""What follows in a job's conversation with its model: another turn, what a reply brings, or the job's end. Pure.

A job of an agent is at one of three things: its batches run or wait; the model is asked; it has ended. When the last of
its batches is over, one of these functions says what follows, in the very decision that ends the batch, so there is no
state in between that a crash could leave behind. A turn is asked for only where the harness still has room for it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from shlex import quote
from typing import Final

from statek.core import harness
from statek.core.agents import BatchRole
from statek.core.events import (
    BatchEnded,
    BatchSubmitted,
    ConsolePrinted,
    Event,
    HarnessReached,
    JobEnded,
    JobRevived,
    MessagePushed,
    TurnAnswered,
    TurnFailed,
    TurnRequested,
)
from statek.core.evolve import evolve, evolved, talk_of
from statek.core.jobs import Job, digest
from statek_protocol.messages.base import EXIT_STATUS_LIMIT, TEXT_LIMIT
from statek_protocol.messages.interpreter import GuestError, LimitBreach

TURN_ATTEMPTS_LIMIT: Final = 10
"""How often one turn is asked for, each time because the scheduler ended while the reply was awaited."""
OF_THE_CODE: Final = frozenset({"ExecutorDied", "ReplayDiverged"})
"""Failures that the code of a batch can bring about, so the model is told; any other would meet its next code too."""
WARM_UP: Final[frozenset[BatchRole]] = frozenset({"warmup", "hidden"})
_NOT_DEFINED: Final = re.compile(r"name '(\w+)' is not defined")
"""What CPython says of a variable that there is not."""


def next_turn(job: Job) -> tuple[Event, ...]:
    """Have the model asked for a reply, or end the job where a bound of its harness leaves no room for one."""
    talk = talk_of(job)
    breach = harness.before_turn(talk)
    if breach is not None:
        return _bounded(job, breach)
    return (TurnRequested(talk.turn + 1, talk.model, talk.provider),)


def after_batch(job: Job, ended: BatchEnded, role: BatchRole) -> tuple[Event, ...]:
    """Say what follows the last batch of an agent's job; `job` is as it stands after that batch."""
    if ended.exited:
        return _exited(job, ended)
    if role in WARM_UP and ended.outcome != "ok":
        return (JobEnded(ended.outcome, error=_missing_variable(job, ended.error)),)
    if ended.outcome == "failed" and (ended.error is None or ended.error.type not in OF_THE_CODE):
        return (JobEnded(ended.outcome),)
    return next_turn(job)


def _missing_variable(job: Job, error: GuestError | None) -> GuestError | None:
    """Say how the job of a warm-up is given the variable that it did not find, where that is what ended it."""
    found = _NOT_DEFINED.match(error.message) if error is not None and error.type == NameError.__name__ else None
    if error is None or found is None:
        return None
    way_out = (
        f"the warm-up of the agent {job.agent!r} reads it, and this job was given no such variable: start it with "
        f"shared_vars={{{found[1]!r}: ...}} (`statek job start {quote(job.agent)} --var {found[1]}=JSON`), have events "
        f"fill it (event_name={found[1]!r}), or export it from the application"
    )
    return replace(error, message=f"{error.message}; {way_out}"[:TEXT_LIMIT])


def _exited(job: Job, ended: BatchEnded) -> tuple[Event, ...]:
    """End the job; a message that its model has not seen yet revives it, as one that comes a moment later would.

    Where a bound keeps it from that, the job has ended well all the same, and its console says who was not heard.
    """
    end: tuple[Event, ...] = (JobEnded("ok", exit_status=ended.exit_status),)
    unread = talk_of(job).unread
    if not unread:
        return end
    after = evolved(job, end)
    bound = bound_of_messages(after)
    if bound is None:
        return _revived(after, end)
    text = f"messages that the model was not told any more: {unread}; {bound}\n"
    return (ConsolePrinted(max(1, job.batches), "notice", text.encode()), *end)


def answered(
    job: Job, answer: TurnAnswered, sources: Sequence[bytes], last_words: str, *, plain_ends: bool
) -> tuple[Event, ...]:
    """Say what a reply brings: its code as batches, an end with what it says, or another turn.

    A reply that takes the conversation beyond what it may use is kept, and its code is not run.
    """
    events: tuple[Event, ...] = (answer,)
    after = evolve(job, answer)
    talk = talk_of(after)
    breach = harness.after_reply(talk)
    if breach is not None:
        return (*events, *_bounded(after, breach))
    if bound := harness.unknown_cost(talk):
        return (*events, _unpriced(bound, answer.model))
    if answer.outcome == "code":
        return (*events, *_code(after, answer, sources))
    if answer.outcome == "plain" and plain_ends and not talk.unread:
        return (*events, JobEnded("ok", exit_status=last_words[:EXIT_STATUS_LIMIT]))
    return (*events, *next_turn(after))


def reply_name(turn: int, number: int, of: int) -> str:
    """Name a batch of a reply."""
    return f"reply-{turn}" if of == 1 else f"reply-{turn}.{number}"


def _code(job: Job, answer: TurnAnswered, sources: Sequence[bytes]) -> tuple[Event, ...]:
    """Submit a reply's batches as one group: after one that is not ok the rest is skipped."""
    first = job.batches + 1
    return tuple(
        BatchSubmitted(
            first + index,
            reply_name(answer.turn, index + 1, len(sources)),
            digest(source),
            first,
            job.policy,
            "reply",
        )
        for index, source in enumerate(sources)
    )


def _unpriced(bound: str, model: str) -> JobEnded:
    text = (
        f"{bound} cannot be held: the price table has no price for the model {model!r}; "
        f"add it to the table, or give the agent no {bound}"
    )
    return JobEnded("failed", error=GuestError("PriceMissing", text[:TEXT_LIMIT], None))


def failed(turn: int, cause: str, detail: str) -> tuple[Event, ...]:
    """End a job whose model could not be asked, after all attempts that were worth making."""
    error = GuestError("ModelFailed", f"{cause}: {detail}"[:TEXT_LIMIT], None)
    return TurnFailed(turn, cause, detail[:TEXT_LIMIT]), JobEnded("failed", error=error)


def outspent(job: Job, ancestor: Job) -> tuple[Event, ...]:
    """End a job whose model is to be asked where nothing is left of what `ancestor` and its subtasks may spend.

    Nothing where there is. What a reply will use is not known before, here as for a job by itself.
    """
    talk, bounded = talk_of(job), talk_of(ancestor)
    whose = f"of the job {ancestor.job} and its subtasks together"
    breach = harness.of_tree(bounded)
    if breach is not None:
        return TurnFailed(talk.turn, "bound", f"{breach}, {whose}"[:TEXT_LIMIT]), *_bounded(job, breach, whose)
    if harness.is_unpriced_tree(bounded):
        return TurnFailed(talk.turn, "bound", f"max_tree_cost {whose} cannot be held"), _unpriced(
            "max_tree_cost", talk.model
        )
    return ()


def asked_again(job: Job) -> tuple[Event, ...]:
    """Ask anew for a reply that was awaited when the scheduler before this one ended, so many times at most."""
    talk = talk_of(job)
    attempt = talk.attempts + 1
    if attempt >= TURN_ATTEMPTS_LIMIT:
        text = f"given up after {attempt} attempts: each time the scheduler ended while the reply was awaited"
        return failed(talk.turn, "interrupted", text)
    return (TurnRequested(talk.turn, talk.model, talk.provider, attempt),)


def pushed(job: Job, text: bytes, source: str, warm_up: tuple[Event, ...] = ()) -> tuple[Event, ...]:
    """Take a message for a job of an agent: the model is told in its next turn, and one that had ended goes on.

    `warm_up` submits once more what one that had ended has not done of its warm-up; the model is asked after that.
    """
    message = MessagePushed(talk_of(job).messages + 1, text, source[:TEXT_LIMIT], job.console_lines)
    if job.status != "DONE":
        return (message,)
    if warm_up:
        return (message, JobRevived("message"), *warm_up)
    return _revived(evolve(job, message), (message,))


def bound_of_messages(job: Job) -> LimitBreach | None:
    """Return the bound of its harness for which a message would not let a job go on that has ended."""
    if job.status != "DONE":
        return None
    return harness.before_turn(talk_of(evolve(job, JobRevived("message"))))


def _revived(job: Job, events: tuple[Event, ...]) -> tuple[Event, ...]:
    revived = JobRevived("message")
    return (*events, revived, *next_turn(evolve(job, revived)))


def _bounded(job: Job, breach: LimitBreach, whose: str = "") -> tuple[Event, ...]:
    """End a job at a bound of its harness, or of one that it works for, and tell so on its console."""
    text = f"the job ends here: {breach}{whose and f', {whose}'}\n"
    notice = ConsolePrinted(max(1, job.batches), "notice", text.encode())
    return HarnessReached(breach), notice, JobEnded("limit", limit=breach)
