"""A scheduler inside an application's process: how it starts, whose jobs it starts, and how it ends."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from integration.applications import program, running, until
from integration.services import Command, wait_for
from no_process_left import no_process_left  # noqa: F401 - a fixture

from statek import (
    Agent,
    AgentLoopDef,
    FutureResult,
    JobHandle,
    complete_future,
    find_jobs,
    run_agentic_fleet,
    run_agentic_loop,
    run_jobs_loop,
    start_statek,
    start_statek_async,
    submit_new_job,
    temporal,
)
from statek.errors import AlreadyRunning, SettingsRefused
from statek.inspection.chat_log import BatchLogItem
from statek.loop.loop import LEASE_SECONDS
from statek.service.service import SETTLE_SECONDS
from statek.store.directory import StoreDirectory
from statek.store.errors import StoreLocked

QUICK = Agent("quick", warmup="exit('done')")
"""Its jobs end without a model being asked."""


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def commands() -> Iterator[list[Command]]:
    started: list[Command] = []
    yield started
    for command in started:
        if command.process.poll() is None:
            command.kill()
        command.wait()


def names(store: Path, **wanted: Any) -> list[str]:
    return [job.name for job in find_jobs(store=store, **wanted).jobs]


# beginning and end


def test_inside_a_running_loop_the_other_way_to_start_is_named() -> None:
    async def main() -> None:
        with pytest.raises(RuntimeError, match="await start_statek_async"):
            start_statek(agents=[])

    asyncio.run(main())


def test_cancelling_stops_in_good_order_and_the_store_can_be_taken_again(store: Path) -> None:
    async def main() -> None:
        async with running(start_statek_async, [QUICK], store=store) as task:
            with pytest.raises(StoreLocked):
                StoreDirectory(store).lock()
            with pytest.raises(AlreadyRunning, match="in another process"):
                await start_statek_async([QUICK], store=store.with_name("second"))
            with pytest.raises(RuntimeError, match="to_thread"):
                submit_new_job(QUICK, store=store)
            job = await asyncio.to_thread(submit_new_job, QUICK, store=store)
            with pytest.raises(RuntimeError, match="to_thread"):
                job.wait()
        assert task.cancelled()
        assert not store.with_name("second").exists()
        StoreDirectory(store).lock().release()

    asyncio.run(main())


def test_what_is_wrong_with_settings_or_said_twice_is_told_before_anything_is_made(store: Path) -> None:
    with pytest.raises(SettingsRefused, match="max_concurrency"):
        start_statek(store=store, max_concurrency=0)
    with pytest.raises(TypeError, match="store: said twice"):
        start_statek(store=store, settings={"store": store})
    assert not store.exists()


STARTED = """
    import sys, threading
    from pathlib import Path
    from statek import Agent, start_statek, tool

    slow = threading.Event()

    @tool(thread=True)
    def charge() -> str:
        with Path(sys.argv[2]).open("a") as file:
            file.write("charged ")
        slow.wait(float(sys.argv[3]))
        return "charged"

    paying = Agent("paying", tools=[charge], warmup="print(charge())\\nexit('paid')")
    start_statek([paying], store=sys.argv[1], workers=1, on_started=lambda _: print("started", flush=True))
    print("returned", flush=True)
"""


def started(tmp_path: Path, commands: list[Command], store: Path, *, seconds: str = "0") -> Command:
    command = program(tmp_path, STARTED, str(store), str(tmp_path / "charges"), seconds)
    commands.append(command)
    wait_for(lambda: command.said("started") or command.process.poll() is not None, "the program has started")
    assert command.process.poll() is None, command.log.read_text()
    return command


def test_an_interrupt_ends_a_program_in_good_order(tmp_path: Path, store: Path, commands: list[Command]) -> None:
    command = started(tmp_path, commands, store)
    command.kill(signal.SIGINT)
    assert command.wait() == -signal.SIGINT, command.log.read_text()
    assert command.said("KeyboardInterrupt")
    assert not command.said("returned")
    StoreDirectory(store).lock().release()


def test_a_call_under_way_has_its_outcome_on_record_when_a_signal_ends_the_program(
    tmp_path: Path, store: Path, commands: list[Command]
) -> None:
    command = started(tmp_path, commands, store, seconds=str(LEASE_SECONDS + 1))
    job = submit_new_job("paying", store=store)
    wait_for(lambda: (tmp_path / "charges").exists(), "the tool runs")
    command.kill(signal.SIGTERM)
    assert command.wait() == 0, command.log.read_text()
    assert command.said("returned")
    assert job.status != "DONE"
    started(tmp_path, commands, store)
    assert job.wait(30).exit_status == "paid"
    assert [item.attempts for item in job.chat_log if isinstance(item, BatchLogItem)] == [1]
    assert (tmp_path / "charges").read_text() == "charged "
    assert [(call.tool, call.outcome) for call in job.tool_log] == [("charge", "ok")]


def test_a_second_signal_ends_the_program_at_once(tmp_path: Path, store: Path, commands: list[Command]) -> None:
    command = started(tmp_path, commands, store, seconds="3600")
    submit_new_job("paying", store=store)
    wait_for(lambda: (tmp_path / "charges").exists(), "the tool runs")

    def ended_by_another() -> bool:
        command.kill(signal.SIGTERM)  # one that comes before the one before was handled is none to the kernel
        return command.process.poll() is not None

    wait_for(ended_by_another, "it ends while its tool still runs", SETTLE_SECONDS / 2)
    assert command.wait() == -signal.SIGTERM, command.log.read_text()


# jobs of the application's own choice


def test_queue_logic_is_asked_for_no_more_jobs_than_there_is_room_for_until_nothing_is_left(store: Path) -> None:
    asked: list[int] = []
    most = 0
    left = 10

    def start_some(capacity: int) -> None:
        nonlocal most, left
        asked.append(capacity)
        most = max(most, 4 - capacity)
        for _ in range(min(capacity, left)):
            left -= 1
            submit_new_job(QUICK)

    asyncio.run(
        asyncio.wait_for(
            run_jobs_loop(4, ["main"], start_jobs_func=start_some, auto_terminate=True, agents=[QUICK], store=store), 60
        )
    )
    assert set(asked) <= {1, 2, 3, 4}
    assert len(names(store, outcome="ok")) == 10


def test_queue_logic_that_raises_harms_nobody_and_is_asked_again(store: Path, caplog: pytest.LogCaptureFixture) -> None:
    calls = 0

    def fail_once(capacity: int) -> None:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise SystemExit(1)
        if calls == 2:
            submit_new_job(QUICK)

    with caplog.at_level(logging.WARNING, "statek"):
        asyncio.run(
            asyncio.wait_for(
                run_jobs_loop(start_jobs_func=fail_once, auto_terminate=True, agents=[QUICK], store=store), 60
            )
        )
    assert len(names(store, outcome="ok")) == 1
    (told,) = (record for record in caplog.records if "start_jobs_func" in record.message)
    assert "failed and is asked again in 1 s" in told.message


@temporal()
def pick_next_task() -> FutureResult:
    """The next task of the application's queue, when there is one."""
    picks.append(f"task-{len(picks)}")
    return FutureResult(key=picks[-1])


picks: list[str] = []


def test_for_each_task_that_waits_there_is_one_job_about_to_pick_it(store: Path) -> None:
    picks.clear()
    picking = Agent("picking", tools=[pick_next_task], warmup="task = pick_next_task()\nexit(f'did {task}')")
    waiting = 3

    async def main() -> None:
        nonlocal waiting
        async with running(run_agentic_loop, picking, None, lambda: waiting, store=store, max_concurrency=10):
            await until(lambda: len(names(store, status="SUSPENDED")) == 3, "three jobs wait for a task")
            waiting = 2
            await asyncio.to_thread(complete_future, "task-1", "tax", store=store)
            done = await until(lambda: names(store, status="DONE"), "one has picked it")
            assert await asyncio.to_thread(lambda: JobHandle(done[0], store=store).result) == "did tax"
            waiting = 4
            await until(lambda: len(names(store, status="SUSPENDED")) == 4, "four jobs wait for a task")
            assert len(names(store)) == 5
        asked: list[int] = []
        async with running(run_agentic_loop, picking, None, lambda: asked.append(4) or 4, store=store):
            await until(lambda: len(asked) > 2, "the queue is asked again after a restart")
            assert len(names(store)) == 5

    asyncio.run(main())


def test_an_agent_whose_warm_up_fails_and_one_whose_queue_fails_leave_the_others_alone(store: Path) -> None:
    def no_queue() -> int:
        raise OSError("the queue is down")

    bad = Agent("bad", warmup="1 / 0")
    fleet = [
        AgentLoopDef(bad, task_queue_size_func=lambda: 1),
        AgentLoopDef(Agent("queueless", warmup="exit()"), task_queue_size_func=no_queue),
        AgentLoopDef(QUICK, task_queue_size_func=lambda: 1),
        AgentLoopDef(Agent("other", warmup="1 / 0"), "exit('another warm-up')", lambda: 1),
    ]

    async def main() -> None:
        async with running(run_agentic_fleet, fleet, store=store, max_concurrency=4) as task:
            await until(lambda: len(names(store, agent="quick", outcome="ok")) >= 3, "the good agent works")
            await until(lambda: len(names(store, agent="bad", outcome="error")) >= 2, "the bad one fails again")
            assert len(names(store, status=["READY", "WARMING_UP", "STARTED"])) <= 4
            assert not task.done()

    asyncio.run(main())
    assert JobHandle(names(store, agent="other")[0], store=store).exit_status == "another warm-up"
    assert names(store, agent="queueless") == []
    error = JobHandle(names(store, agent="bad")[0], store=store).error
    assert error is not None
    assert (error.type, error.line) == ("ZeroDivisionError", 1)
