"""A call that takes too long is answered without its outcome, and what it still does is told and bounded."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator

import pytest
from calls_stand import PATIENCE, Guest, Room, Stand

from statek.calls import places
from statek.calls.places import Abandoned, LeftBehind, Threads, in_time, tracked
from statek.calls.tools import tool

SHORT = 0.05


@pytest.fixture
def released() -> Iterator[threading.Event]:
    """What the slow tools wait for; at the end it lets all of them go."""
    event = threading.Event()
    yield event
    event.set()


def slow(event: threading.Event, name: str = "slow") -> Callable[[], str]:
    def wait() -> str:
        assert event.wait(PATIENCE)
        return "late"

    wait.__name__ = name
    return wait


def test_a_tool_in_a_thread_is_left_behind(stand: Stand, released: threading.Event) -> None:
    guest = stand.guest(tool(thread=True, timeout_seconds=SHORT)(slow(released)))
    kind, text = guest.tool("slow").told
    assert kind == "ToolTimeout"
    assert text == "slow did not end within 0.05 s: it still runs, and may or may not do its work"


def test_an_async_tool_is_cancelled(stand: Stand) -> None:
    cancelled: list[int] = []

    @tool(timeout_seconds=SHORT)
    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.append(1)

    assert stand.guest(wait).tool("wait").told[0] == "ToolTimeout"
    assert cancelled == [1]


def test_a_timeout_of_the_tools_own_is_its_error(stand: Stand) -> None:
    async def wait() -> None:
        raise TimeoutError("of mine")

    assert stand.guest(wait).tool("wait").told == ("TimeoutError", "of mine")


def test_one_in_dbzeros_thread_is_answered_at_once_and_the_others_wait(
    stand: Stand, released: threading.Event, caplog: pytest.LogCaptureFixture
) -> None:
    guest = stand.guest(tool(timeout_seconds=SHORT)(slow(released)), Room)
    with caplog.at_level(logging.WARNING):
        assert guest.tool("slow").told[0] == "ToolTimeout"
        after = stand.mirror.submit(lambda: "after")
        assert not after.done()
        released.set()
        assert after.result(PATIENCE) == "after"
    assert "is over its time and still runs" in caplog.text


def test_an_object_of_the_application_that_hangs_is_answered_too(stand: Stand, released: threading.Event) -> None:
    class Slow:
        def wait(self) -> None:
            assert released.wait(PATIENCE)

    guest = Guest(stand, stand.guest(opening(Slow())).offer, timeout_seconds=SHORT)
    assert guest.invoke(guest.tool("open_it").value, "wait").told[0] == "ToolTimeout"
    released.set()
    stand.there(lambda: None)


def opening(value: object) -> Callable[[], object]:
    def open_it() -> object:
        return value

    return open_it


def test_the_time_of_a_call_that_waits_for_others_has_not_begun(stand: Stand) -> None:
    async def main() -> str:
        hold = threading.Event()
        first = stand.mirror.submit(lambda: hold.wait(PATIENCE))
        second = tracked(stand.mirror.submit, lambda: "done")
        waiting = asyncio.create_task(in_time(second, "quick", SHORT, LeftBehind(), "key"))
        await asyncio.wait((waiting,), timeout=4 * SHORT)
        assert not waiting.done()
        hold.set()
        await asyncio.wrap_future(first)
        return str(await waiting)

    assert asyncio.run(main()) == "done"


def test_what_is_left_behind_is_counted_told_when_it_ends_and_bounded(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, released: threading.Event
) -> None:
    monkeypatch.setattr(places, "LEFT_BEHIND", 1)

    async def main() -> None:
        left, threads = LeftBehind(), Threads()
        started = threads.start(slow(released), "slow")
        with pytest.raises(Abandoned):
            await in_time(started, "slow", SHORT, left, "job/1/2")
        assert list(left.names) == ["job/1/2 slow"]
        with pytest.raises(Abandoned, match="1 calls are over their time"):
            left.check("another")
        released.set()
        await asyncio.wrap_future(started.future)
        async with asyncio.timeout(PATIENCE):
            while left.names:
                await asyncio.sleep(0)
        left.check("another")

    with caplog.at_level(logging.WARNING):
        asyncio.run(main())
    assert "its outcome is dropped" in caplog.text


def test_so_many_calls_have_threads_and_the_others_wait_for_one(
    monkeypatch: pytest.MonkeyPatch, released: threading.Event
) -> None:
    monkeypatch.setattr(places, "THREADS", 1)
    threads = Threads()
    first, second = (threads.start(slow(released, name), name) for name in ("first", "second"))
    assert first.began.result(PATIENCE)
    assert not second.began.done()
    released.set()
    assert (first.future.result(PATIENCE), second.future.result(PATIENCE)) == ("late", "late")


@pytest.mark.parametrize("error", [SystemExit(1), StopIteration(), KeyboardInterrupt()])
def test_what_a_thread_raises_is_an_outcome(error: BaseException) -> None:
    def fail() -> None:
        raise error

    outcome = Threads().start(fail, "fail").future.result(PATIENCE)
    assert isinstance(outcome, places.Raised)
    assert outcome.error is error


def test_a_call_over_its_time_and_its_end_are_put_on_record(stand: Stand, released: threading.Event) -> None:
    noted: list[tuple[str, str]] = []
    came = threading.Event()

    def note(kind: str, key: str, seconds: float) -> None:
        noted.append((kind, key))
        if kind == "call_late":
            came.set()

    async def main() -> None:
        started = Threads().start(slow(released), "slow")
        with pytest.raises(Abandoned):
            await in_time(started, "slow", SHORT, LeftBehind(note), "job/1/2")
        released.set()
        async with asyncio.timeout(PATIENCE):
            while not came.is_set():
                await asyncio.sleep(0)

    asyncio.run(main())
    assert noted == [("call_overdue", "job/1/2"), ("call_late", "job/1/2")]


def test_an_async_tool_that_takes_no_notice_of_its_cancellation_is_not_waited_for(stand: Stand) -> None:
    go_on = asyncio.Event()

    @tool(timeout_seconds=SHORT)
    async def deaf() -> str:
        while not go_on.is_set():
            try:
                await go_on.wait()
            except asyncio.CancelledError:
                go_on.set()
                await asyncio.sleep(0)
        return "late"

    assert stand.guest(deaf).tool("deaf").told[0] == "ToolTimeout"


@pytest.mark.parametrize(
    "mark", [tool(name="odd"), tool(name="odd", thread=True), tool(name="odd", transactional=True)]
)
def test_wrong_arguments_are_the_callers_error_wherever_the_tool_runs(
    stand: Stand, mark: Callable[[Callable[..., object]], Callable[..., object]]
) -> None:
    def odd() -> None: ...

    async def odd_async() -> None: ...

    guest = stand.guest(mark(odd), odd_async)
    for name in ("odd", "odd_async"):
        kind, text = guest.tool(name, 1).told
        assert kind == "TypeError"
        assert "takes 0 positional arguments" in text
