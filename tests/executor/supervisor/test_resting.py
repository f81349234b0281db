"""An interpreter that waits is told to rest, gives memory back, and goes on as if nothing had been."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import pytest
from bench.nursery import Child, nursery, run_message
from lease_stand import conversation, in_loop

from statek_executor.supervisor import resting
from statek_executor.supervisor.metering import anonymous_bytes
from statek_policies import Policy
from statek_protocol.codec import decode, encode
from statek_protocol.framing import FrameReader, frame
from statek_protocol.messages.base import Message
from statek_protocol.messages.interpreter import FROM_INTERPRETER, Call, Console, Finished, Load, Reply, Rest, Run
from statek_protocol.values import encode_value

FINISHED = Finished(1, "ok", None, None, None)
SOON = 0.02
QUIET_SECONDS = 0.2


@pytest.fixture
def _soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resting, "REST_SECONDS", SOON)


@pytest.mark.usefixtures("_soon")
@in_loop
async def test_one_that_waits_for_an_answer_is_told_to_rest_once() -> None:
    async with conversation() as talk:
        talk.says(Call(1, 0, "slow", b""))
        assert await talk.hears(Rest) == Rest()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(talk.hears(Rest), QUIET_SECONDS)


@pytest.mark.usefixtures("_soon")
@in_loop
async def test_one_that_waits_for_its_next_batch_is_told_to_rest() -> None:
    async with conversation() as talk:
        talk.says(FINISHED)
        assert await talk.hears(Rest) == Rest()


@pytest.mark.usefixtures("_soon")
@in_loop
async def test_one_that_works_is_not_told_to_rest() -> None:
    async with conversation() as talk:
        talk.says(Call(1, 0, "fast", b""))
        await talk.until(lambda: talk.all(Call))
        talk.deliver(Reply(1, 0, b"", None))
        await talk.hears(Reply)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(talk.hears(Rest), QUIET_SECONDS)
        talk.says(FINISHED)
        await talk.until(lambda: talk.all(Finished))
        talk.deliver(Run(2, "batch", b"", 0, 0, ()))
        await talk.hears(Run)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(talk.hears(Rest), QUIET_SECONDS)


# a real interpreter

LOAD = frame(encode(Load(Policy().to_wire(), (), (), ("fetch",))))
WORK = b"""
import dataclasses, re
@dataclasses.dataclass
class Point:
    x: int
    y: int = 0
points = [Point(number, -number) for number in range(200)]
found = re.findall(r"x=(\\d+)", str(points))
def total():
    return sum(point.x * point.y for point in points) + len(found)
"""
LOOK = b"print(total(), points[-1], sorted({point.x % 7 for point in points}))"
SEEN = "-2646500 Point(x=199, y=-199) [0, 1, 2, 3, 4, 5, 6]\n"


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    with nursery() as zygote, zygote.child("interpreter") as born:
        born.load(LOAD)
        yield born


def rests(child: Child) -> None:
    """Have it rest, and wait until it does."""
    child.rest()
    child.come_to_rest()


def said(child: Child, until: type[Message], *orders: bytes) -> list[Message]:
    """Send orders, and gather what the interpreter says up to a message of that kind."""
    for order in orders:
        child.send(order)
    messages: list[Message] = []
    reader = FrameReader()
    while not any(isinstance(message, until) for message in messages):
        messages += [decode(data, FROM_INTERPRETER) for data in reader.feed(child.receive())]
    return messages


def printed(messages: list[Message]) -> str:
    return b"".join(message.data for message in messages if isinstance(message, Console)).decode()


def test_memory_is_given_back_and_everything_is_still_there(child: Child) -> None:
    child.run(run_message(1, WORK))
    child.come_to_rest()
    worked = anonymous_bytes(child.pid)
    rests(child)
    deadline = time.monotonic() + 20
    while anonymous_bytes(child.pid) > worked - 500_000:
        assert time.monotonic() < deadline, (worked, anonymous_bytes(child.pid))
    for batch in range(2, 6):
        rests(child)
        assert printed(said(child, Finished, run_message(batch, LOOK))) == SEEN


def test_one_that_rests_inside_a_call_goes_on_there(child: Child) -> None:
    source = b"values = [total(), fetch('it'), total()]\nprint(values)"
    [call] = [one for one in said(child, Call, run_message(6, source)) if isinstance(one, Call)]
    for _ in range(3):
        rests(child)
    answer = Reply(6, call.number, encode_value("got", max_bytes=100, max_depth=1), None)
    messages = said(child, Finished, frame(encode(answer)))
    assert printed(messages) == "[-2646500, 'got', -2646500]\n"
    assert [one.outcome for one in messages if isinstance(one, Finished)] == ["ok"]
