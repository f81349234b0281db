"""Arguments that take a second to read do not hold up the scheduler, whoever sends how many of them."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from statek.calls.application import Application
from statek.calls.offers import Offer
from statek.calls.runner import ToolRunner
from statek.calls.tools import ToolRegistry
from statek.core.events import CallAnswered
from statek.core.instructions import RunTool
from statek.core.jobs import Job
from statek.futures.registry import Futures
from statek_policies import Limits, Policy
from statek_protocol.values import TUPLE


class NoThread:
    """In place of dbzero's thread, which a tool that is async and given plain values does not need."""

    def submit(self, run: Callable[[], Any], *, durable: bool = False) -> Future[Any]:
        raise AssertionError("nothing is to be done there")


async def count(values: tuple[object, ...]) -> int:
    return len(values)


def a_tuple(length: int, items: bytes) -> bytes:
    data = b"\xdd" + struct.pack(">I", length) + items
    return b"\xc9" + struct.pack(">IB", len(data), TUPLE) + data


def costly(limits: Limits) -> bytes:
    """Give the arguments of one call: a tuple of as many empty dicts as there is room for, a Python call for each."""
    number = limits.argument_bytes - 100
    return a_tuple(2, a_tuple(1, a_tuple(number, b"\x80" * number)) + b"\x80")


async def turns_until_answered(limits: Limits, arguments: bytes) -> tuple[int, CallAnswered]:
    """Count how often the loop gets to something else between a call's start and its answer."""
    answer: asyncio.Future[CallAnswered] = asyncio.get_running_loop().create_future()
    offered = Application(offer=Offer(ToolRegistry([count])))
    runner = ToolRunner(offered, NoThread(), lambda _, event, __: answer.set_result(event), futures=Futures(dict))
    runner.start(Job("job", ""), RunTool(1, 0, "count", arguments, repeated=False), Policy(limits=limits), 0.0)
    turns = 0
    while not answer.done():
        turns += 1
        await asyncio.sleep(0.001)
    await runner.close()
    return turns, answer.result()


def test_the_loop_goes_on_while_costly_arguments_are_read() -> None:
    limits = Limits()
    arguments = costly(limits)
    assert len(arguments) <= limits.argument_bytes
    turns, answered = asyncio.run(turns_until_answered(limits, arguments))
    assert turns > 10
    assert answered.error is None, answered.error
