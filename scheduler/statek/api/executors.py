"""The conversation with executors: who they are, what they offer, and the leases' messages on their way to the loop.

Every frame that arrives is taken for hostile: decoded strictly, held against the connection that it came by and the
lease that it names, and refused and counted where it does not fit. Nothing that an executor sends can raise out of
here.
"""

from __future__ import annotations

import logging
import math
import time
from functools import partial
from typing import Final, cast

from statek.audit.kinds import posture_digest
from statek.core.machine import GuestMessage
from statek.loop.loop import HEARTBEAT_SECONDS, HEARTBEATS_MISSED, LEASE_SECONDS, Loop
from statek.loop.tick import Tick
from statek.pools.endpoint import Delivery, RouterEndpoint
from statek.pools.executors import Executor
from statek.pools.leasing import HeldLease
from statek_policies import LAYERS
from statek_protocol.codec import decode, encode
from statek_protocol.errors import IncompatibleVersion, ProtocolError
from statek_protocol.messages.base import Message
from statek_protocol.messages.executor import (
    FROM_SUPERVISOR,
    FROM_SUPERVISOR_LEASED,
    STAMPS,
    Drain,
    Goodbye,
    Heartbeat,
    Hello,
    Metered,
    Pong,
    Pull,
    Rejected,
    Stamp,
    Unknown,
    Welcome,
)
from statek_protocol.version import PROTOCOL_VERSION

log = logging.getLogger(__name__)

STANDSTILL_SECONDS: Final = LEASE_SECONDS / 2
"""Between two looks at who is there, which are much more frequent: a scheduler that was held up has heard nobody."""


class Pool:
    """All executors that come by one endpoint."""

    def __init__(self, loop: Loop, endpoint: RouterEndpoint, scheduler: str) -> None:
        self._loop = loop
        self._endpoint = endpoint
        self._scheduler = scheduler
        self._looked = time.monotonic()

    def on_frames(self, identity: bytes, frames: list[bytes]) -> None:
        """Take one transport message and have it decided in the next turn."""
        try:
            if len(frames) == 1:
                message = decode(frames[0], FROM_SUPERVISOR)
                self._loop.do(partial(self._on_message, identity, message))
            elif len(frames) == 2:
                stamp = cast(Stamp, decode(frames[0], STAMPS))
                message = decode(frames[1], FROM_SUPERVISOR_LEASED)
                self._loop.do(partial(self._on_leased, identity, stamp, message, len(frames[1])))
            else:
                self._refuse(identity, "malformed", f"{len(frames)} frames")
        except ProtocolError as error:
            self._on_refused(identity, frames, error)

    def check_presence(self, tick: Tick) -> None:
        """Take the leases away from executors that are gone: their connection is closed, or they are silent too long.

        A process that was killed closes its connection at once; a host that is cut off only falls silent.
        """
        for executor in [*self._loop.executors]:
            if self._send(executor.identity, Pong()) is Delivery.GONE:
                log.warning("executor %s is gone: its leases end", executor.executor)
                self._loop.leases.forget_executor(tick, executor, "its executor is gone", blamed=True)
        for executor in self._loop.executors.silent_since(self._listening_since(LEASE_SECONDS)):
            log.warning("executor %s is silent: its leases end", executor.executor)
            self._loop.leases.forget_executor(tick, executor, "its executor fell silent", blamed=True)

    def _listening_since(self, seconds: float) -> float:
        """Return the time so long ago; the beginning of time if we stood still ourselves, with messages waiting."""
        now = time.monotonic()
        stood_still = now - self._looked > STANDSTILL_SECONDS
        self._looked = now
        return -math.inf if stood_still else now - seconds

    def drain(self) -> None:
        """Tell all executors that the scheduler is stopping."""
        for executor in self._loop.executors:
            self._send(executor.identity, Drain())

    def _on_refused(self, identity: bytes, frames: list[bytes], error: ProtocolError) -> None:
        """Count a refusal. What came under a lease ends that lease: its sender is not one to go on with."""
        self._refuse(identity, error.code, str(error))
        log.warning("refused a message of an executor: %s", error)
        if len(frames) != 2:
            return
        try:
            stamp = cast(Stamp, decode(frames[0], STAMPS))
        except ProtocolError:
            return  # it was counted above
        self._loop.do(partial(self._end_faulty, identity, stamp, str(error)))

    def _end_faulty(self, identity: bytes, stamp: Stamp, problem: str, tick: Tick) -> None:
        held = self._lease_of(identity, stamp)
        if held is not None:
            reason = f"a message that the protocol does not allow: {problem}"
            self._loop.leases.end(tick, held, reason, blamed=True, cause="protocol")

    # between the two processes

    def _on_message(self, identity: bytes, message: Message, tick: Tick) -> None:
        if isinstance(message, Hello):
            self._on_hello(identity, message, tick)
            return
        executor = self._loop.executors.get(identity)
        if executor is None:
            self._refuse(identity, "unknown_executor", message.kind)
            self._send(identity, Unknown())
            return
        executor.heard = time.monotonic()
        match message:
            case Pull():
                executor.offered = max(executor.offered, message.offered)
            case Heartbeat():
                self._send(identity, Pong())
                self._compare_leases(tick, executor, message)
            case Goodbye():
                log.info("executor %s says goodbye", executor.executor)
                self._loop.leases.forget_executor(tick, executor, "its executor stopped", blamed=False)

    def _on_hello(self, identity: bytes, hello: Hello, tick: Tick) -> None:
        if hello.protocol != PROTOCOL_VERSION:
            reason = str(IncompatibleVersion(PROTOCOL_VERSION, hello.protocol))
            refused = {"executor": hello.executor, "host": hello.host, "text": reason}
            self._loop.refuse("executor_rejected", "version", refused)
            log.warning("refused executor %s on %s: %s", hello.executor, hello.host, reason)
            self._send(identity, Rejected("version", reason))
            return
        known = self._loop.executors.get(identity)
        if known is not None:
            self._loop.leases.forget_executor(tick, known, "its executor started anew", blamed=False)
        layers = frozenset(name for name in LAYERS if name in hello.posture and hello.posture[name].active)
        log.info("executor %s on %s: %d workers, layers %s", hello.executor, hello.host, hello.workers, sorted(layers))
        executor = Executor(
            identity, self._endpoint, hello.executor, hello.host, hello.workers, layers, time.monotonic()
        )
        self._loop.executors.add(executor)
        tick.note_bounded("executor_joined", {**executor.told, **_introduction(hello, layers)}, reason="")
        self._send(identity, Welcome(self._scheduler, HEARTBEAT_SECONDS, LEASE_SECONDS))

    def _compare_leases(self, tick: Tick, executor: Executor, heartbeat: Heartbeat) -> None:
        """Find leases that only one side knows of: a message about them was lost with a connection."""
        named = frozenset(heartbeat.leases)
        for held in self._loop.leases.of_executor(executor):
            lease = held.lease.lease
            executor.leases[lease] = 0 if lease in named else executor.leases[lease] + 1
            if executor.leases[lease] >= HEARTBEATS_MISSED:
                self._loop.leases.end(tick, held, "its executor does not know of the lease", blamed=False)

    # under a lease

    def _on_leased(self, identity: bytes, stamp: Stamp, message: Message, size: int, tick: Tick) -> None:
        if isinstance(message, Metered) and self._loop.leases.receive_last_word(tick, identity, stamp, message):
            return
        held = self._lease_of(identity, stamp)
        if held is None:
            return
        held.executor.heard = time.monotonic()
        if stamp.sequence != held.received + 1:
            reason = "replayed" if stamp.sequence <= held.received else "gap"
            self._refuse(identity, reason, f"message {stamp.sequence} of {stamp.lease}", held.job)
            if reason == "gap":
                self._loop.leases.end(tick, held, "a message of the lease was lost on its way", blamed=False)
            return
        self._loop.leases.receive(tick, held, cast(GuestMessage, message), size)

    def _lease_of(self, identity: bytes, stamp: Stamp) -> HeldLease | None:
        """Find the lease that a stamp names, if it is in force and held by the connection that the stamp came by."""
        held = self._loop.leases.get(stamp.lease)
        if held is None or held.lease.epoch != stamp.epoch:
            self._refuse(identity, "stale", f"{stamp.lease} in epoch {stamp.epoch}")
            return None
        if held.executor.identity != identity:
            self._refuse(identity, "out_of_lease", f"{stamp.lease} belongs to {held.executor.executor}", held.job)
            return None
        return held

    def _refuse(self, identity: bytes, code: str, text: str, job: str | None = None) -> None:
        """Count a refused message, and put it on the audit log with the executor whose connection it came by."""
        sender = self._loop.executors.get(identity)
        said = {**(sender.told if sender is not None else {"executor": None, "host": None}), "text": text}
        self._loop.refuse("message_refused", code, said, job=job)

    def _send(self, identity: bytes, message: Message) -> Delivery:
        return self._endpoint.send(identity, [encode(message)])


def _introduction(hello: Hello, layers: frozenset[str]) -> dict[str, object]:
    """Tell the audit log what an executor says of itself: which layers hold, and why the others do not."""
    return {
        "release": hello.release,
        "workers": hello.workers,
        "posture": posture_digest(layers),
        "layers": sorted(layers),
        "missing": {name: report.detail for name, report in hello.posture.items() if not report.active},
    }
