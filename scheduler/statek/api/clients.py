"""The conversation with clients on this machine: batches are submitted, jobs are followed.

A client speaks over a socket in the store's directory, so it is the store's owner. What it sends is decoded strictly
all the same, and a refusal says what to change.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import OrderedDict
from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal

from statek.api.agents import AgentRequest, AgentRequests
from statek.core import holds
from statek.core.events import (
    BatchEnded,
    BatchSkipped,
    BatchStarted,
    ConsolePrinted,
    FutureTroubled,
    HarnessReached,
    HoldDecided,
    JobCancelled,
    JobEnded,
    JobHeld,
    JobResumed,
    JobRevived,
    JobSuspended,
    LeaseEnded,
    LeaseGranted,
    MessagePushed,
    PolicyViolated,
    ReplyLost,
    TurnAnswered,
    TurnFailed,
    TurnRequested,
    UsageMetered,
)
from statek.core.futures import Settlement
from statek.errors import AgentRefused, SubmissionRefused
from statek.futures.results import checked_key
from statek.loop.loop import Loop
from statek.loop.tick import Tick
from statek.loop.waiting import TooManyCompletions
from statek.pools.endpoint import Delivery, RouterEndpoint
from statek.store.ledger import Stored, Submission
from statek.store.records import pack
from statek_policies import Policy, PolicyError
from statek_protocol import schema
from statek_protocol.codec import decode, encode
from statek_protocol.errors import ProtocolError
from statek_protocol.messages.base import MIB, Message
from statek_protocol.messages.client import (
    FROM_CLIENT,
    Accepted,
    Alive,
    AskExecutors,
    AskHealth,
    CancelJob,
    CancelWait,
    Complete,
    Completed,
    Decide,
    Decided,
    Events,
    ExecutorList,
    Follow,
    Health,
    JobEvent,
    Ping,
    Push,
    Redrive,
    Refused,
    RetryJob,
    ReviseAgent,
    StartJobs,
    Steered,
    Submit,
)
from statek_protocol.values import MalformedValue, decode_value

log = logging.getLogger(__name__)

FOLLOWED: Final[Collection[str]] = tuple(
    event.kind
    for event in (
        LeaseGranted,
        LeaseEnded,
        JobSuspended,
        FutureTroubled,
        JobResumed,
        BatchStarted,
        ConsolePrinted,
        PolicyViolated,
        UsageMetered,
        BatchEnded,
        BatchSkipped,
        JobHeld,
        HoldDecided,
        MessagePushed,
        TurnRequested,
        TurnAnswered,
        ReplyLost,
        TurnFailed,
        HarnessReached,
        JobCancelled,
        JobRevived,
        JobEnded,
    )
)
"""What a client is told of; calls and workspaces are not among it."""
PAGE_EVENTS: Final = 200
PAGE_BYTES: Final = 1 * MIB
REASON_CHARACTERS: Final = 4_000
"""Of a refusal; it may quote what the client sent."""
FOLLOWING_SECONDS: Final = 60.0
"""A follower that has not asked for so long is forgotten; one that still listens asks again after a second's quiet."""
JOB_ID_BYTES: Final = 8
ANSWERS_KEPT: Final = 1_000
"""Answers to completions that are given again when the client did not hear them."""
COMPLETION_BYTES: Final = MIB
COMPLETION_DEPTH: Final = 64


@dataclass(slots=True)
class Follower:
    """A client that follows a job, and how far it was told."""

    identity: bytes
    request: str
    job: str
    cursor: int
    asked: float


class Clients:
    """All clients of one scheduler."""

    def __init__(
        self, loop: Loop, endpoint: RouterEndpoint, health: Callable[[str], Health], *, passing: bool = False
    ) -> None:
        """`health` answers a request for the scheduler's health, by the request.

        `passing` is what clients are told of a scheduler that ends with the command it runs in.
        """
        self._loop = loop
        self._endpoint = endpoint
        self._agents = AgentRequests(loop)
        self._health = health
        self._passing = passing
        self._followers: dict[tuple[bytes, str], Follower] = {}
        self._answered: OrderedDict[str, Completed] = OrderedDict()

    def on_frames(self, identity: bytes, frames: list[bytes]) -> None:
        """Take one message of a client."""
        try:
            if len(frames) != 1:
                raise ProtocolError("a client's message has one frame")
            message = decode(frames[0], FROM_CLIENT)
        except ProtocolError as error:
            self._refuse(identity, "-", error.code, str(error))
            return
        if isinstance(message, Ping | AskHealth | AskExecutors):
            self._tell_how(identity, message)
        else:
            self._loop.do(partial(self._on_message, identity, message))

    def _tell_how(self, identity: bytes, message: Ping | AskHealth | AskExecutors) -> None:
        """Answer at once, however much waits to be decided upon: nothing of it is a decision."""
        match message:
            case AskHealth():
                self._send(identity, self._health(message.request))
            case AskExecutors():
                self._send(identity, ExecutorList(message.request, self._loop.executors.described(time.monotonic())))
            case Ping():
                executors = self._loop.executors
                workers = sum(executor.workers for executor in executors)
                self._send(identity, Alive(message.request, len(executors), workers, self._passing))

    def on_committed(self, jobs: set[str]) -> None:
        """Tell followers what has happened to these jobs."""
        for follower in list(self._followers.values()):
            if follower.job in jobs:
                self._tell(follower)

    def _on_message(self, identity: bytes, message: Message, tick: Tick) -> None:
        match message:
            case Submit():
                self._on_submit(identity, message, tick)
            case Follow():
                self._on_follow(identity, message, tick)
            case Decide():
                self._on_decide(identity, message, tick)
            case Complete():
                self._on_complete(identity, message, tick)
            case CancelWait():
                self._on_cancel_wait(identity, message, tick)
            case CancelJob() | RetryJob():
                self._on_steer(identity, message, tick)
            case StartJobs() | Push() | ReviseAgent() | Redrive():
                self._on_agent_request(identity, message, tick)

    def _on_submit(self, identity: bytes, message: Submit, tick: Tick) -> None:
        known = self._loop.ledger.submission(message.request) or next(
            (submission for submission in tick.submissions if submission.key == message.request), None
        )
        if known is not None:
            tick.then(partial(self._accept, identity, known))
            return
        name = message.job or f"job-{secrets.token_hex(JOB_ID_BYTES)}"
        job = self._loop.job_in_turn(tick, name)
        if message.job is not None and job is None:
            self._refuse(identity, message.request, "unknown_job", f"there is no job {name!r} in this store")
            return
        refusal = None if job is None else holds.why_not_submit(job)
        if refusal is not None:
            self._refuse(identity, message.request, *refusal)
            return
        try:
            policy = self._policy_for(message, tick)
        except PolicyError as error:
            self._refuse(identity, message.request, "policy", str(error))
            return
        if policy is None and message.job is None:
            self._refuse(identity, message.request, "policy", "a new job needs a policy")
            return
        batches = [(batch.name, batch.source) for batch in message.batches]
        submission = self._loop.submit(tick, message.request, name, batches, policy)
        tick.then(partial(self._accept, identity, submission))

    def _on_agent_request(self, identity: bytes, message: AgentRequest, tick: Tick) -> None:
        try:
            answer = self._agents.answer(message, tick)
        except SubmissionRefused as error:
            self._refuse(identity, message.request, error.code, str(error))
        except AgentRefused as error:
            self._refuse(identity, message.request, "agent", str(error))
        else:
            tick.then(partial(self._send, identity, answer))

    def _policy_for(self, message: Submit, tick: Tick) -> Policy | None:
        """Return the policy that the submission asks for, or None when it is the one that the job has."""
        if message.policy is not None:
            return Policy.from_wire(message.policy).changed(message.limits, message.fields)
        job = self._loop.job_in_turn(tick, message.job) if message.job is not None else None
        if job is None or not (message.limits or message.fields):
            return None
        return self._loop.policy_in_turn(tick, job.policy).changed(message.limits, message.fields)

    def _on_decide(self, identity: bytes, message: Decide, tick: Tick) -> None:
        """Carry out what a person decided about a held job, once."""
        job = self._loop.job_in_turn(tick, message.job)
        if job is None:
            self._refuse(identity, message.request, "unknown_job", f"there is no job {message.job!r} in this store")
        elif job.held is None and job.decided != message.request:
            reason = f"the job {message.job!r} is not held, so there is nothing to decide about it"
            self._refuse(identity, message.request, "not_held", reason)
        else:
            if job.held is not None:
                job = self._loop.decide_hold(tick, job, message.choice, message.request)
            decided = Decided(message.request, message.job, len(job.pending))
            tick.then(partial(self._send, identity, decided))

    def _on_steer(self, identity: bytes, message: CancelJob | RetryJob, tick: Tick) -> None:
        """Cancel a job or let it be tried again, once for a request."""
        try:
            outcome = self._steered(message, tick)
        except SubmissionRefused as refused:
            self._refuse(identity, message.request, refused.code, str(refused))
            return
        job = self._loop.job_in_turn(tick, message.job)
        assert job is not None, "one that is not there was refused"
        tick.then(partial(self._send, identity, Steered(message.request, message.job, outcome, job.status)))

    def _steered(self, message: CancelJob | RetryJob, tick: Tick) -> Literal["cancelled", "retried", "nothing"]:
        if isinstance(message, CancelJob):
            return self._loop.steering.cancel(tick, message.job, message.reason, message.request)
        return self._loop.steering.retry(tick, message.job, message.request)

    def _on_complete(self, identity: bytes, message: Complete, tick: Tick) -> None:
        """Complete a key from outside; the value is read once, so that no guest is given what is none."""
        if message.request in self._answered:
            tick.then(partial(self._send, identity, self._answered[message.request]))
            return
        try:
            key = checked_key(message.key)
            if (message.value is None) == (message.error is None):
                raise ValueError("a completion has a value or an error, and not both")
            if message.value is not None:
                decode_value(message.value, max_bytes=COMPLETION_BYTES, max_depth=COMPLETION_DEPTH)
            settlement = Settlement(message.value, message.error)
            completed = self._loop.waiting.complete(tick, key, settlement)
        except (MalformedValue, TooManyCompletions, ValueError) as error:
            self._refuse(identity, message.request, "completion", str(error))
            return
        self._confirm(identity, Completed(message.request, *completed), tick)

    def _on_cancel_wait(self, identity: bytes, message: CancelWait, tick: Tick) -> None:
        """Give up what is waited for."""
        if message.request in self._answered:
            tick.then(partial(self._send, identity, self._answered[message.request]))
        elif message.key is not None and message.job is None:
            futures = self._loop.waiting.cancel_key(tick, message.key)
            self._confirm(
                identity, Completed(message.request, "cancelled" if futures else "nothing", futures, ()), tick
            )
        elif message.job is not None and message.key is None and self._loop.job_in_turn(tick, message.job) is not None:
            futures = self._loop.waiting.cancel_job(tick, message.job)
            self._confirm(
                identity, Completed(message.request, "cancelled" if futures else "nothing", futures, ()), tick
            )
        else:
            text = f"there is no job {message.job!r} in this store" if message.key is None else "name a key or a job"
            self._refuse(identity, message.request, "unknown_job", text)

    def _confirm(self, identity: bytes, answer: Completed, tick: Tick) -> None:
        """Answer once it is durable, and the same again for a request that is sent again."""
        self._answered[answer.request] = answer
        if len(self._answered) > ANSWERS_KEPT:
            self._answered.popitem(last=False)
        tick.then(partial(self._send, identity, answer))

    def _on_follow(self, identity: bytes, message: Follow, tick: Tick) -> None:
        job = self._loop.job_in_turn(tick, message.job)
        if job is None or job.status == "FORGOTTEN":
            text = "there is no job {!r} in this store" if job is None else "the record of the job {!r} was deleted"
            code = "unknown_job" if job is None else "forgotten"
            self._refuse(identity, message.request, code, text.format(message.job))
            return
        now = time.monotonic()
        self._forget_followers(now - FOLLOWING_SECONDS)
        follower = Follower(identity, message.request, message.job, message.after, now)
        self._followers[identity, message.request] = follower
        tick.then(partial(self._tell, follower))
        # Whoever asks is answered, also when there is nothing new: so a client tells quiet from dead.
        tick.then(partial(self._send, identity, Events(message.request, message.job, ())))

    def _forget_followers(self, before: float) -> None:
        for key, follower in list(self._followers.items()):
            if follower.asked < before:
                del self._followers[key]

    def _tell(self, follower: Follower) -> None:
        """Send what the follower does not know; one that does not take it asks again from its own cursor."""
        is_last = False
        while not is_last:
            page, is_last = self._next_page(follower)
            if not page:
                return
            events = tuple(JobEvent(stored.cursor, stored.event.kind, schema.dump(stored.event)) for stored in page)
            if not self._send(follower.identity, Events(follower.request, follower.job, events)):
                self._followers.pop((follower.identity, follower.request), None)
                return
            follower.cursor = page[-1].cursor

    def _next_page(self, follower: Follower) -> tuple[list[Stored], bool]:
        """Return what the follower is told next, and whether that is all there is."""
        found = self._loop.ledger.events(follower.job, follower.cursor, PAGE_EVENTS, FOLLOWED)
        page: list[Stored] = []
        size = 0
        for stored in found:
            size += len(stored.event.data) if isinstance(stored.event, ConsolePrinted) else len(pack(stored.event))
            if page and size > PAGE_BYTES:
                break
            page.append(stored)
        return page, len(page) == len(found) < PAGE_EVENTS

    def _accept(self, identity: bytes, submission: Submission) -> None:
        accepted = Accepted(submission.key, submission.job, submission.first_batch, submission.cursor)
        self._send(identity, accepted)

    def _refuse(self, identity: bytes, request: str, code: str, reason: str) -> None:
        """Say no, and put it on the audit log."""
        self._loop.refuse("client_refused", code, {"request": request, "text": reason})
        self._send(identity, Refused(request, code, reason[:REASON_CHARACTERS]))

    def _send(self, identity: bytes, message: Message) -> bool:
        return self._endpoint.send(identity, [encode(message)]) is Delivery.SENT
