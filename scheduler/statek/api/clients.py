"""The conversation with clients on this machine: what each asks goes to who decides upon it, answers go back.

A client speaks over a socket in the store's directory, so it is the store's owner. What it sends is decoded strictly
all the same, and a refusal says what to change.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from typing import Final, assert_never, cast

from statek.api.agents import AgentRequest, AgentRequests
from statek.api.completions import FutureRequest, FutureRequests
from statek.api.followers import Followers
from statek.api.jobs import JobRequest, JobRequests
from statek.errors import AgentRefused, SubmissionRefused
from statek.loop.loop import Loop
from statek.loop.tick import Tick
from statek.pools.endpoint import Delivery, RouterEndpoint
from statek_protocol.codec import decode, encode
from statek_protocol.errors import ProtocolError
from statek_protocol.messages.base import Message
from statek_protocol.messages.client import (
    FROM_CLIENT,
    Alive,
    AskExecutors,
    AskHealth,
    CancelJob,
    CancelWait,
    Complete,
    Decide,
    ExecutorList,
    Follow,
    Health,
    Ping,
    Push,
    Redrive,
    Refused,
    RetryJob,
    ReviseAgent,
    StartJobs,
    Submit,
)

Vital = Ping | AskHealth | AskExecutors
Request = JobRequest | FutureRequest | AgentRequest | Follow

REASON_CHARACTERS: Final = 4_000
"""Of a refusal; it may quote what the client sent."""


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
        self._jobs = JobRequests(loop)
        self._futures = FutureRequests(loop)
        self._agents = AgentRequests(loop)
        self._followers = Followers(loop, self._send)
        self._health = health
        self._passing = passing
        self.on_committed = self._followers.on_committed

    def on_frames(self, identity: bytes, frames: list[bytes]) -> None:
        """Take one message of a client."""
        try:
            if len(frames) != 1:
                raise ProtocolError("a client's message has one frame")
            message = decode(frames[0], FROM_CLIENT)
        except ProtocolError as error:
            self._refuse(identity, "-", error.code, str(error))
            return
        if isinstance(message, Vital):
            self._tell_how(identity, message)
        else:
            self._loop.do(partial(self._on_request, identity, cast(Request, message)))

    def _tell_how(self, identity: bytes, message: Vital) -> None:
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

    def _on_request(self, identity: bytes, request: Request, tick: Tick) -> None:
        """Have it decided upon in a turn of the loop, and answered once that is durable."""
        try:
            if isinstance(request, Follow):
                self._followers.follow(identity, request, tick)
            else:
                tick.then(partial(self._send, identity, self._answer(request, tick)))
        except SubmissionRefused as refused:
            self._refuse(identity, request.request, refused.code, str(refused))
        except AgentRefused as refused:
            self._refuse(identity, request.request, "agent", str(refused))

    def _answer(self, request: JobRequest | FutureRequest | AgentRequest, tick: Tick) -> Message:
        match request:
            case Submit() | Decide() | CancelJob() | RetryJob():
                return self._jobs.answer(request, tick)
            case Complete() | CancelWait():
                return self._futures.answer(request, tick)
            case StartJobs() | Push() | ReviseAgent() | Redrive():
                return self._agents.answer(request, tick)
            case _:
                assert_never(request)

    def _refuse(self, identity: bytes, request: str, code: str, reason: str) -> None:
        """Say no, and put it on the audit log."""
        self._loop.refuse("client_refused", code, {"request": request, "text": reason})
        self._send(identity, Refused(request, code, reason[:REASON_CHARACTERS]))

    def _send(self, identity: bytes, message: Message) -> bool:
        return self._endpoint.send(identity, [encode(message)]) is Delivery.SENT
