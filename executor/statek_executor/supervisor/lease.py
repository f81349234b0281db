"""One lease: an interpreter serving one job, between the child's file descriptor and the uplink.

Everything that comes out of the child is checked, counted, stamped with the lease and passed on as it is; everything
that the scheduler sends for the lease is passed in. The supervisor adds what it alone can know: what a batch used, and
how the child ended.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, assert_never, cast

from statek_executor.supervisor import metering
from statek_executor.supervisor.batch_watch import BatchWatch
from statek_executor.supervisor.credits import Credits
from statek_executor.supervisor.deadlines import SOFT_SIGNALS, Kill, Wait, Warn
from statek_executor.supervisor.flow import Flow, FromInterpreter, check_honest
from statek_executor.supervisor.frames import Frames
from statek_executor.supervisor.printed import Printed
from statek_executor.supervisor.quotas import OUTPUT_LIMITS, OutputExceeded, QuotaExceeded
from statek_executor.supervisor.resting import Resting
from statek_executor.supervisor.stock import Child, NoInterpreter, Stock
from statek_executor.supervisor.zygote_client import Exited, describe_exit, set_memory_limits
from statek_policies import Policy, PolicyError
from statek_protocol.codec import decode, encode
from statek_protocol.errors import ProtocolError
from statek_protocol.framing import frame
from statek_protocol.messages.base import MIB, Message
from statek_protocol.messages.executor import Cancel, Credit, Grant, Lost, Release, Stamp
from statek_protocol.messages.interpreter import (
    FROM_INTERPRETER,
    Call,
    Console,
    Failed,
    Finished,
    LimitBreach,
    Load,
    Observed,
    Reply,
    Run,
    Violated,
)
from statek_protocol.operations import FUTURE_VALUE

log = logging.getLogger(__name__)

Send: TypeAlias = Callable[[Stamp, bytes], Awaitable[None]]
Cause: TypeAlias = Literal["limit", "seccomp", "signal", "exited", "protocol", "stopped"]

_STREAM_ENDS: Final = (asyncio.IncompleteReadError, ConnectionError)
"""How a child's end shows in its stream: the kernel resets that of a child which had not read everything."""

FRAME_SLACK = 2 * MIB
"""What a frame from the child may be larger than the policy's largest value."""

FRAMES_IN_A_ROW: Final = 16
"""Frames of one child that are read, where many wait, before the other leases have their turn."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """What a fresh child already has mapped; a policy's memory_bytes is counted on top of it."""

    data_bytes: int
    address_bytes: int


class LeaseEnd(Exception):
    """The lease ends, for this cause."""

    def __init__(self, cause: Cause, detail: str, limit: LimitBreach | None = None) -> None:
        super().__init__(detail)
        self.cause: Cause = cause
        self.detail = detail
        self.limit = limit


class LeaseServer:
    """Serves one lease from its grant to its end."""

    def __init__(self, stamp: Stamp, grant: Grant, stock: Stock, baseline: Baseline, send: Send) -> None:
        self.lease = stamp.lease
        self.epoch = stamp.epoch
        self.job = grant.job
        self._stock = stock
        self._baseline = baseline
        self._send = send
        self._inbox: asyncio.Queue[tuple[Message, bytes]] = asyncio.Queue()
        self._received = stamp.sequence
        self._sent = 0
        self._credits = Credits()
        self._end: LeaseEnd | None = None
        self._released = False
        self._frames: Frames | None = None
        self._policy: Policy | None = None
        self._flow: Flow | None = None
        self._printed = Printed()
        self._watch: BatchWatch | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._resting = Resting()
        self._child: Child | None = None
        self._anonymous_at_start = 0
        self.waiting_since: float | None = None
        """When the guest began to wait for a future or its next batch, in monotonic seconds; None while it works."""
        self.task = asyncio.create_task(self._serve(), name=f"lease {self.lease}")
        """Done when the lease is over, its child gone and its end reported; cancelled, it ends without a report.

        Released, it says what the batch in hand used, and no more.
        """

    # called by the supervisor

    def deliver(self, stamp: Stamp, message: Message, data: bytes) -> None:
        """Take a message that the scheduler sent for this lease."""
        if stamp.sequence != self._received + 1:
            self.end("stopped", f"message {stamp.sequence} of the scheduler came after message {self._received}")
            return
        self._received += 1
        match message:
            case Credit():
                self._credits.acknowledged(message.sequence)
            case Release():
                self._released = True
                self.task.cancel()
            case Cancel():
                self.end("stopped", message.reason)
            case _:
                self._inbox.put_nowait((message, data))

    def grown_bytes(self) -> int:
        """Return what the interpreter holds beyond a fresh one, as far as it can be seen from outside."""
        if self._child is None:
            return 0
        return max(0, metering.anonymous_bytes(self._child.pid) - self._anonymous_at_start)

    def end(self, cause: Cause, detail: str, limit: LimitBreach | None = None) -> None:
        """End the lease from outside its own task; the first cause stands."""
        if self._end is None and not self.task.done():
            self._end = LeaseEnd(cause, detail, limit)
            self.task.cancel()

    # the lease's own task

    async def _serve(self) -> None:
        child: Child | None = None
        try:
            self._child = child = await self._stock.take()
            self._anonymous_at_start = metering.anonymous_bytes(child.pid)
            await self._converse(child)
        except NoInterpreter as error:
            await self._emit(encode(Lost(None, "stopped", str(error), None)))
        except asyncio.CancelledError:
            if self._end is None:
                raise
            if child is None:
                await self._emit(encode(Lost(None, self._end.cause, self._end.detail, None)))
        finally:
            if child is not None:
                child.signal(signal.SIGKILL)
                child.close()

    async def _converse(self, child: Child) -> None:
        """Pass messages both ways; returns when the end of the lease is reported."""
        reader, writer = await child.connect()
        self._frames = frames = Frames(reader, FRAME_SLACK)
        self._resting.write = writer.write
        feeder = asyncio.create_task(self._feed(child, writer))
        try:
            await self._listen(child, frames, writer)
        except LeaseEnd as end:
            self._end = end
        except asyncio.CancelledError:
            if self._end is None and not self._released:
                raise
        finally:
            self._stop_timer()
            self._resting.end()
            feeder.cancel()
            await asyncio.gather(feeder, return_exceptions=True)
        child.signal(signal.SIGKILL)
        if self._end is None:
            await self._meter_released(child)
            return
        exited = await _exit_of(child)
        await self._pass_on_what_was_printed(frames)
        await self._report(exited)

    # from the child to the scheduler

    async def _listen(self, child: Child, frames: Frames, writer: asyncio.StreamWriter) -> None:
        """Pass on what the child says; leaves by `LeaseEnd`."""
        for number in itertools.count():
            if number % FRAMES_IN_A_ROW == 0:
                await asyncio.sleep(0)
            await self._credits.room()
            try:
                data = await self._next_frame(frames)
            except _STREAM_ENDS:
                raise _death(await _exit_of(child)) from None
            await self._pass_on(data, all_read=self._inbox.empty() and not writer.transport.get_write_buffer_size())

    async def _next_frame(self, frames: Frames) -> bytes:
        """Read a frame; what was printed before it goes on when none comes soon."""
        try:
            if self._printed:
                data = await frames.next_within(self._printed.wait_seconds(time.monotonic()))
                if data is not None:
                    return data
                await self._pass_on_printed()
            return await frames.next()
        except ProtocolError as error:
            raise LeaseEnd("protocol", str(error)) from error

    async def _pass_on(self, data: bytes, *, all_read: bool) -> None:
        """Check one message of the child's and pass it on under the lease's stamp."""
        try:
            message = cast(FromInterpreter, decode(data, FROM_INTERPRETER))
        except ProtocolError as error:
            raise LeaseEnd("protocol", f"the interpreter sent what the protocol does not allow: {error}") from error
        watch, flow = self._watch, self._flow
        if watch is None or flow is None:
            raise LeaseEnd("protocol", f"the interpreter sent {message.kind} while no batch ran")
        try:
            check_honest(message, watch.batch, watch.due_call, awaiting=watch.deadlines.paused, all_read=all_read)
            watch.count(message)
        except QuotaExceeded as excess:
            raise LeaseEnd("protocol", f"the interpreter sent {excess}") from excess
        except OutputExceeded as excess:
            await self._gather(Console(watch.batch, excess.allowed_part))
            raise LeaseEnd("limit", f"{excess.breach.name} reached", excess.breach) from excess
        if flow.is_spare(message, time.monotonic()):
            return
        if isinstance(message, Call):
            self._resting.begin()
            watch.deadlines.pause(time.monotonic())
            self.waiting_since = time.monotonic() if message.tool == FUTURE_VALUE else None
        if isinstance(message, Console):
            await self._gather(message)
        else:
            await self._pass_on_other(message, data, watch)
        if (pause := flow.pause_after(message, time.monotonic())) > 0:
            await asyncio.sleep(pause)

    async def _pass_on_other(self, message: Message, data: bytes, watch: BatchWatch) -> None:
        await self._pass_on_printed()
        if isinstance(message, Finished | Failed):
            self._stop_timer()
            self._resting.begin()
            self._watch, self.waiting_since = None, time.monotonic()
            await self._emit(encode(watch.metered()))
        await self._emit(data)

    async def _gather(self, piece: Console) -> None:
        """Let output wait for a moment, unless none went on of late."""
        if not self._printed.has_room(piece):
            await self._pass_on_printed()
        self._printed.add(piece)
        if self._printed.wait_seconds(time.monotonic()) == 0:
            await self._pass_on_printed()

    async def _pass_on_printed(self) -> None:
        """Pass on what waits of the output, as one message."""
        if self._printed:
            await self._emit(encode(self._printed.take(time.monotonic())))

    async def _pass_on_what_was_printed(self, frames: Frames) -> None:
        """After the end, bring out the console output that the child had already written."""
        watch, end = self._watch, self._end
        if watch is None or end is None or end.cause == "protocol":
            return
        if end.limit is not None and end.limit.name in OUTPUT_LIMITS:
            return
        try:
            while True:
                data = await frames.next()
                message = cast(FromInterpreter, decode(data, FROM_INTERPRETER))
                if not isinstance(message, Console | Observed | Violated):
                    return
                check_honest(message, watch.batch, watch.due_call, awaiting=watch.deadlines.paused, all_read=True)
                watch.count(message)
                if isinstance(message, Console):
                    await self._gather(message)
                else:
                    await self._pass_on_other(message, data, watch)
        except (*_STREAM_ENDS, ProtocolError, QuotaExceeded, OutputExceeded) as end:
            log.debug("lease %s: what was left in the channel ends: %s", self.lease, end)

    async def _emit(self, data: bytes) -> None:
        self._sent += 1
        self._credits.sent(self._sent, len(data))
        await self._send(Stamp(self.lease, self.epoch, self._sent), data)

    async def _report(self, exited: Exited) -> None:
        """Tell the scheduler how the lease ended and what the batch had used."""
        end = self._end
        assert end is not None
        watch = self._watch
        await self._pass_on_printed()
        if watch is not None:
            metered = watch.metered(final_cpu=exited.cpu_seconds, final_peak=exited.max_rss_bytes)
            await self._emit(encode(metered))
            if end.cause == "seccomp":
                await self._emit(encode(Violated(watch.batch, "seccomp", end.detail, None, "kernel")))
        batch = watch.batch if watch is not None else None
        await self._emit(encode(Lost(batch, end.cause, end.detail, end.limit)))

    async def _meter_released(self, child: Child) -> None:
        """Tell what the batch in hand had used when the scheduler took the lease back; nothing where none ran."""
        watch = self._watch
        if watch is not None:
            exited = await _exit_of(child)
            metered = watch.metered(final_cpu=exited.cpu_seconds, final_peak=exited.max_rss_bytes)
            await self._emit(encode(metered))

    # from the scheduler to the child

    async def _feed(self, child: Child, writer: asyncio.StreamWriter) -> None:
        """Pass the scheduler's messages in, each after what it means for the supervisor."""
        try:
            while True:
                message, data = await self._inbox.get()
                self._before(child, message)
                writer.write(frame(data))
                await writer.drain()
        except (ConnectionError, ProcessLookupError) as error:
            log.debug("lease %s: the child is gone: %s", self.lease, error)
        except OSError as error:
            self.end("stopped", f"the limits of the interpreter cannot be set: {error}")
        except PolicyError as error:
            self.end("stopped", f"the policy in the lease cannot be held: {error}")

    def _before(self, child: Child, message: Message) -> None:
        self._resting.end()
        match message:
            case Load():
                self._policy = Policy.from_wire(message.policy)
                self._set_limits(child, self._policy)
            case Run():
                assert self._policy is not None, "the scheduler sends Load before Run"
                self._watch, self.waiting_since = BatchWatch(message, child.pid, self._policy), None
                self._look_at_the_clock(child)
            case Reply():
                self.waiting_since = None
                if self._watch is not None:
                    self._watch.deadlines.resume(time.monotonic())
                    self._look_at_the_clock(child)
            case _:
                pass

    def _set_limits(self, child: Child, policy: Policy) -> None:
        limits = policy.limits
        self._flow = Flow(limits, time.monotonic())
        assert self._frames is not None, "who is sent a policy is listened to"
        self._frames.limit = max(limits.workspace_bytes, limits.argument_bytes) + FRAME_SLACK
        set_memory_limits(
            child.pid,
            data_bytes=self._baseline.data_bytes + limits.memory_bytes,
            address_bytes=self._baseline.address_bytes + limits.memory_bytes,
        )

    # time

    def _look_at_the_clock(self, child: Child) -> None:
        """Do what is due by the clocks, and come back when the next thing is."""
        self._stop_timer()
        watch = self._watch
        if watch is None:
            return
        match watch.deadlines.check(*watch.clocks()):
            case Wait(seconds):
                self._timer = asyncio.get_running_loop().call_later(seconds, self._look_at_the_clock, child)
            case Warn(limit):
                child.signal(SOFT_SIGNALS[limit])
                self._look_at_the_clock(child)
            case Kill(breach):
                self.end("limit", f"{breach.name} reached", breach)
            case other:
                assert_never(other)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


async def _exit_of(child: Child) -> Exited:
    """Wait for a child's end. It is told once, so whoever is cancelled here must not take it from others."""
    return await asyncio.shield(child.exit)


def _death(exited: Exited) -> LeaseEnd:
    """Say why a child died that nobody here killed."""
    if exited.signal == signal.SIGSYS:
        return LeaseEnd("seccomp", "a system call that no guest needs was tried; the kernel ended the process")
    detail = f"the interpreter {describe_exit(exited.exit_code, exited.signal)}"
    return LeaseEnd("exited" if exited.signal is None else "signal", detail)
