"""Which interpreters wait, and which of them a lease gets."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator

import pytest
from lease_stand import in_loop

from statek_executor.supervisor import stock as stock_module
from statek_executor.supervisor.stock import Child, Stock
from statek_executor.supervisor.zygote_client import Event, Forked


class Zygote:
    """Answers each request when the test says so; every child is the test's own process."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []
        self._events: list[Event] = []
        self._readable = os.eventfd(0)
        self._descriptors: list[int] = [self._readable]
        self._sockets: list[socket.socket] = []

    def fileno(self) -> int:
        return self._readable

    def fork(self, tag: int, kind: str) -> None:
        self.asked.append((tag, kind))

    def answer(self) -> None:
        """Every child that was asked for is there."""
        for tag, _ in self.asked:
            ours, theirs = socket.socketpair()
            self._sockets += [ours, theirs]
            self._descriptors.append(pidfd := os.pidfd_open(os.getpid()))
            self._events.append(Forked(tag, os.getpid(), pidfd, ours))
        self.asked.clear()
        os.eventfd_write(self._readable, 1)

    def read_events(self) -> list[Event]:
        os.eventfd_read(self._readable)
        events, self._events = self._events, []
        return events

    def close(self) -> None:
        for one in self._sockets:
            one.close()
        for descriptor in self._descriptors:
            os.close(descriptor)


@pytest.fixture
def zygote() -> Iterator[Zygote]:
    made = Zygote()
    yield made
    made.close()


def started(zygote: Zygote, size: int) -> Stock:
    made = Stock(zygote, size, lambda reason: None)  # type: ignore[arg-type]
    made.start()
    return made


async def filled(zygote: Zygote, stock: Stock) -> None:
    zygote.answer()
    while stock._forking:
        await asyncio.sleep(0)


async def taken(stock: Stock) -> Child:
    return await asyncio.wait_for(stock.take(), 1)


@in_loop
async def test_one_of_those_that_wait_has_rehearsed(zygote: Zygote) -> None:
    started(zygote, 4)
    assert [kind for _, kind in zygote.asked] == ["rehearsed", "interpreter", "interpreter", "interpreter"]


@in_loop
async def test_a_lease_gets_the_one_that_has_rehearsed_and_another_one_begins_to(
    zygote: Zygote, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stock_module, "REHEARSAL_SECONDS", 0.0)
    stock = started(zygote, 3)
    await filled(zygote, stock)
    assert (await taken(stock)).rehearsed_at is not None
    assert [kind for _, kind in zygote.asked] == ["rehearsed"]
    assert (await taken(stock)).rehearsed_at is None
    assert [kind for _, kind in zygote.asked] == ["rehearsed", "interpreter"]


@in_loop
async def test_one_that_is_still_rehearsing_is_the_last_choice_and_better_than_none(zygote: Zygote) -> None:
    stock = started(zygote, 2)
    await filled(zygote, stock)
    assert [(await taken(stock)).rehearsed_at is None for _ in range(2)] == [True, False]


@in_loop
async def test_a_lease_that_waits_for_a_fork_gets_a_lean_one(zygote: Zygote) -> None:
    stock = started(zygote, 1)
    await filled(zygote, stock)
    await taken(stock)
    first = asyncio.ensure_future(stock.take())
    await asyncio.sleep(0)
    assert [kind for _, kind in zygote.asked] == ["rehearsed", "interpreter"]
    await filled(zygote, stock)
    await asyncio.wait_for(first, 1)
