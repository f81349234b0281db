"""A client of the scheduler that runs on a store: submits batches and follows their job, across restarts of it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar

import zmq

from statek.errors import SchedulerSilent, SubmissionRefused
from statek_protocol.codec import decode, encode
from statek_protocol.messages.base import FRAME_LIMIT, TEXT_LIMIT, Message
from statek_protocol.messages.client import (
    TO_CLIENT,
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
    NewBatch,
    NewJob,
    Ping,
    Push,
    Pushed,
    Redrive,
    Redriven,
    Refused,
    RetryJob,
    ReviseAgent,
    Revised,
    Started,
    StartJobs,
    Steered,
    Submit,
)
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.transport.endpoints import LocalAddress

if TYPE_CHECKING:
    from statek.core.holds import Choice

A = TypeVar("A", Accepted, Decided, Completed, Steered, Started, Pushed, Revised, Redriven)
T = TypeVar("T", Alive, Health, ExecutorList)

ASK_AGAIN_SECONDS: Final = 1.0
"""After this much silence the client asks again; every request may be made twice without harm."""
GIVE_UP_SECONDS: Final = 30.0
"""A scheduler that is silent for so long, while it should answer at once, is taken for gone."""
RECONNECT_MS: Final = 20
RECONNECT_MAX_MS: Final = 500


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client wants to have run: sources by name, in a new job or a known one."""

    job: str | None
    policy: dict[str, Any] | None
    limits: Mapping[str, float]
    batches: Sequence[tuple[str, bytes]]
    fields: Mapping[str, object] = field(default_factory=dict)
    """Other fields of the policy to change, as plain values."""


class Client:
    """A connection to the scheduler of one store, over the socket in the store's directory."""

    def __init__(self, socket: Path) -> None:
        self._local = LocalAddress(socket)
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.set(zmq.LINGER, 0)
        self._socket.set(zmq.MAXMSGSIZE, FRAME_LIMIT)
        self._socket.set(zmq.RECONNECT_IVL, RECONNECT_MS)
        self._socket.set(zmq.RECONNECT_IVL_MAX, RECONNECT_MAX_MS)
        self._socket.connect(self._local.address)
        self.heard = time.monotonic()
        """When the scheduler was last heard of."""

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()
        self._context.term()
        self._local.close()

    def ping(self, seconds: float) -> Alive | None:
        """Ask whether a scheduler is there; None when it has not answered in time."""
        return self._told(Ping(request := secrets.token_hex(8)), request, Alive, seconds)

    def health(self, seconds: float) -> Health | None:
        """Ask a scheduler how it is; None when it has not answered in time."""
        return self._told(AskHealth(request := secrets.token_hex(8)), request, Health, seconds)

    def executors(self, seconds: float) -> ExecutorList | None:
        """Ask which executors are connected; None when the scheduler has not answered in time."""
        return self._told(AskExecutors(request := secrets.token_hex(8)), request, ExecutorList, seconds)

    def _told(self, message: Message, request: str, kind: type[T], seconds: float) -> T | None:
        """Ask once for what is known at once."""
        deadline = time.monotonic() + seconds
        self._send(message)
        while (answer := self._receive(deadline)) is not None:
            if isinstance(answer, kind) and answer.request == request:
                return answer
        return None

    def submit(self, submission: Submission) -> Accepted:
        """Submit batches; raises `SubmissionRefused` or `SchedulerSilent`."""
        request = secrets.token_hex(16)
        batches = tuple(NewBatch(name, source) for name, source in submission.batches)
        message = Submit(
            request, submission.job, submission.policy, dict(submission.limits), dict(submission.fields), batches
        )
        return self._ask(message, request, Accepted, "submitted")

    def decide(self, job: str, choice: Choice) -> Decided:
        """Decide about a job that is held; raises `SubmissionRefused` or `SchedulerSilent`."""
        request = secrets.token_hex(16)
        return self._ask(Decide(request, job, choice), request, Decided, "decided")

    def complete(self, key: str, value: bytes | None, error: GuestError | None) -> Completed:
        """Complete the futures of a key; raises `SubmissionRefused` or `SchedulerSilent`."""
        request = secrets.token_hex(16)
        return self._ask(Complete(request, key, value, error), request, Completed, "completed")

    def cancel_wait(self, *, key: str | None = None, job: str | None = None) -> Completed:
        """Give up the open futures of a key, or what a job waits for; raises as `complete` does."""
        request = secrets.token_hex(16)
        return self._ask(CancelWait(request, key, job), request, Completed, "cancelled")

    def cancel_job(self, job: str, reason: str) -> Steered:
        """End a job whatever it is doing; raises `SubmissionRefused` or `SchedulerSilent`."""
        request = secrets.token_hex(16)
        return self._ask(CancelJob(request, job, reason[:TEXT_LIMIT]), request, Steered, "cancelled")

    def retry_job(self, job: str) -> Steered:
        """Let a job be tried again that did not end as it should; raises as `cancel_job` does."""
        request = secrets.token_hex(16)
        return self._ask(RetryJob(request, job), request, Steered, "decided")

    def start_jobs(self, agent: str, jobs: Sequence[NewJob], *, parent: str = "", key: str = "") -> tuple[str, ...]:
        """Start jobs of an agent, all of them or none, once for a key; returns their names. Raises as `submit` does."""
        request = key or secrets.token_hex(16)
        return self._ask(StartJobs(request, agent, tuple(jobs), parent), request, Started, "started").jobs

    def push(self, queue: str, body: bytes, *, job: str | None = None, agent: str | None = None, key: str = "") -> int:
        """Push a message to a job, or an event to an agent, once for a key; returns its number. Raises as `submit`."""
        request = secrets.token_hex(16)
        return self._ask(Push(request, queue, job, agent, body, key), request, Pushed, "pushed").number

    def revise_agent(self, agent: str, changes: Mapping[str, object] | None) -> str:
        """Change fields of an agent for new jobs, or take all changes back; returns the digest of what they get."""
        request = secrets.token_hex(16)
        asked = ReviseAgent(request, agent, None if changes is None else dict(changes))
        return self._ask(asked, request, Revised, "revised").definition

    def redrive(self, queue: str, number: int | None, act: Literal["redrive", "discard"] = "redrive") -> int:
        """Put dead letters back in line or throw them away, one or so many of all; returns how many that are."""
        request = secrets.token_hex(16)
        return self._ask(Redrive(request, queue, number, act), request, Redriven, "decided").items

    def _ask(self, message: Message, request: str, kind: type[A], done: str) -> A:
        """Send a request until it is answered; it carries a key, so it may be made twice without harm."""
        give_up = time.monotonic() + GIVE_UP_SECONDS
        while time.monotonic() < give_up:
            self._send(message)
            answer = self._answer(request, time.monotonic() + ASK_AGAIN_SECONDS)
            if isinstance(answer, kind):
                return answer
        raise SchedulerSilent(f"the scheduler of this store does not answer; nothing is known to have been {done}")

    def follow(self, job: str, cursor: int) -> Iterator[JobEvent | None]:
        """Yield the job's events after the cursor as they happen, and None whenever the scheduler did not answer.

        A quiet job is none of the scheduler's silence: every second without news the client asks, and is answered.
        """
        request = secrets.token_hex(8)
        self._send(Follow(request, job, cursor))
        asked = True
        while True:
            answer = self._answer(request, time.monotonic() + ASK_AGAIN_SECONDS)
            if not isinstance(answer, Events):
                if asked:
                    yield None
                self._send(Follow(request, job, cursor))
                asked = True
                continue
            asked = False
            for event in answer.events:
                if event.cursor > cursor:
                    cursor = event.cursor
                    yield event

    def await_news(self, job: str, cursor: int, seconds: float) -> int:
        """Wait for something to happen to a job after the cursor; return the cursor of the last that did, or the same.

        Raises `SubmissionRefused` where there is no such job.
        """
        request = secrets.token_hex(8)
        deadline = time.monotonic() + seconds
        while (now := time.monotonic()) < deadline:
            self._send(Follow(request, job, cursor))
            while isinstance(answer := self._answer(request, min(deadline, now + ASK_AGAIN_SECONDS)), Events):
                if answer.events:
                    return answer.events[-1].cursor
        return cursor

    def _answer(self, request: str, deadline: float) -> Message | None:
        while (message := self._receive(deadline)) is not None:
            if isinstance(message, Refused) and message.request in (request, "-"):
                raise SubmissionRefused(message.code, message.reason)
            if getattr(message, "request", None) == request:
                return message
        return None

    def _send(self, message: Message) -> None:
        self._socket.send(encode(message))

    def _receive(self, deadline: float) -> Message | None:
        left = deadline - time.monotonic()
        if left <= 0 or not self._socket.poll(int(left * 1000) + 1):
            return None
        self.heard = time.monotonic()
        return decode(self._socket.recv(), TO_CLIENT)
