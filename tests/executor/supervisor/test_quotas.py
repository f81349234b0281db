"""How much an interpreter may say in a batch, and how much may be on its way to the scheduler."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import Callable

import pytest
from lease_stand import BUSY, WAIT_SECONDS, in_loop

from statek_executor.supervisor import metering
from statek_executor.supervisor.credits import Credits
from statek_executor.supervisor.quotas import (
    CHECKPOINTS_PER_SECOND,
    CHECKPOINTS_START,
    OBSERVED_BYTES_LIMIT,
    OBSERVED_RECORDS_LIMIT,
    VIOLATIONS_LIMIT,
    BatchQuota,
    OutputExceeded,
    QuotaExceeded,
)
from statek_policies import Limits
from statek_policies.limits import REFUSALS_LIMIT
from statek_protocol.messages.base import Message
from statek_protocol.messages.executor import UNACKNOWLEDGED_BYTES, UNACKNOWLEDGED_LIMIT
from statek_protocol.messages.interpreter import Call, Checkpoint, Console, LimitBreach, Observed, Snapshot, Violated

VIOLATED = Violated(1, "import", "os", 1, "runtime")
CHECKPOINT = Checkpoint(1, Snapshot(0, (), (), ()))


def counted(quota: BatchQuota, message: Message, elapsed: float = 0.0) -> int:
    """Count a message as often as it is allowed."""
    for number in range(1_000_000):
        try:
            quota.count(message, elapsed)
        except QuotaExceeded:
            return number
    raise AssertionError("there is no end to it")


@pytest.mark.parametrize(
    ("message", "allowed"),
    [
        (VIOLATED, VIOLATIONS_LIMIT),
        (CHECKPOINT, CHECKPOINTS_START),
        (Observed(1, bytes(1024 * 1024)), OBSERVED_BYTES_LIMIT // 2**20),
        (Observed(1, b""), OBSERVED_RECORDS_LIMIT),
        (Call(1, 0, "t", b""), Limits().calls + REFUSALS_LIMIT + 1),
        (Console(1, b""), 0),
    ],
    ids=["violations", "checkpoints", "observed bytes", "observed records", "calls", "empty output"],
)
def test_everything_that_becomes_a_record_has_an_end(message: Message, allowed: int) -> None:
    assert counted(BatchQuota(Limits()), message) == allowed


def test_checkpoints_are_allowed_by_the_second() -> None:
    assert counted(BatchQuota(Limits()), CHECKPOINT, 2.0) == CHECKPOINTS_START + 2 * CHECKPOINTS_PER_SECOND


def exceed(limits: Limits, *pieces: bytes) -> OutputExceeded:
    quota = BatchQuota(limits)
    for piece in pieces[:-1]:
        quota.count(Console(1, piece), 0.0)
    with pytest.raises(OutputExceeded) as caught:
        quota.count(Console(1, pieces[-1]), 0.0)
    return caught.value


def test_output_is_cut_at_the_byte() -> None:
    excess = exceed(Limits(output_bytes=10), b"12345", b"67890", b"+")
    assert (excess.allowed_part, excess.breach) == (b"", LimitBreach("output_bytes", 10, 11))
    assert exceed(Limits(output_bytes=10), b"12345", b"678901234").allowed_part == b"67890"


def test_output_is_cut_after_the_last_line_that_is_allowed() -> None:
    excess = exceed(Limits(output_lines=2), b"a\nb\nc\nd")
    assert (excess.allowed_part, excess.breach.name) == (b"a\nb", "output_lines")
    assert exceed(Limits(output_lines=0), b"a\n").allowed_part == b""
    assert exceed(Limits(output_lines=2), b"a\nb\n", b"no end", b" yet\n").allowed_part == b""


def test_what_was_printed_before_this_attempt_counts() -> None:
    quota = BatchQuota(Limits(output_bytes=10), printed_bytes=7)
    with pytest.raises(OutputExceeded) as caught:
        quota.count(Console(1, b"1234"), 0.0)
    assert (caught.value.allowed_part, caught.value.breach) == (b"123", LimitBreach("output_bytes", 10, 11))
    assert quota.output_bytes == 3, "this attempt's own, as far as it is passed on"
    quota = BatchQuota(Limits(output_lines=3), printed_lines=2)
    quota.count(Console(1, b"a\n"), 0.0)
    with pytest.raises(OutputExceeded) as caught:
        quota.count(Console(1, b"b\nc"), 0.0)
    assert (caught.value.allowed_part, caught.value.breach) == (b"", LimitBreach("output_lines", 3, 4))


def test_output_at_the_limit_is_allowed() -> None:
    quota = BatchQuota(Limits(output_bytes=4, output_lines=2))
    quota.count(Console(1, b"a\nb\n"), 0.0)
    assert (quota.output_bytes, quota.output_lines) == (4, 2)


async def has_room(credit: Credits) -> bool:
    waiting = asyncio.ensure_future(credit.room())
    await asyncio.sleep(0)
    found = waiting.done()
    waiting.cancel()
    return found


@pytest.mark.parametrize(
    ("messages", "size"), [(UNACKNOWLEDGED_LIMIT, 1), (4, UNACKNOWLEDGED_BYTES // 4)], ids=["messages", "bytes"]
)
@in_loop
async def test_nothing_is_read_past_the_credit_until_some_of_it_is_durable(messages: int, size: int) -> None:
    credit = Credits()
    for sequence in range(1, messages):
        credit.sent(sequence, size)
        assert await has_room(credit)
    credit.sent(messages, size)
    assert not await has_room(credit)
    credit.acknowledged(0)
    assert not await has_room(credit)
    credit.acknowledged(1)
    assert await has_room(credit)
    credit.acknowledged(messages + 5)
    credit.sent(messages + 6, size)
    assert await has_room(credit)


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        os.sched_yield()


def test_a_real_childs_use_is_read_from_outside() -> None:
    with subprocess.Popen(BUSY) as busy:
        try:
            wait_for(lambda: metering.cpu_seconds(busy.pid) > 0.02)
            assert metering.peak_memory_bytes(busy.pid) > 100_000
        finally:
            busy.kill()
        busy.wait()
        with pytest.raises(ProcessLookupError):
            metering.cpu_seconds(busy.pid)
        assert metering.peak_memory_bytes(busy.pid) == 0
