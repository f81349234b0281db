"""How waits end other than by their condition: completed from outside, given up, at a deadline, with their batch."""

from __future__ import annotations

from pathlib import Path

import pytest
from futures_exports import Exports, Opened, run, suspended
from futures_stand import FutureRef, written

from statek_policies import Limits, Policy
from statek_protocol.messages.client import CancelWait, Completed
from statek_protocol.messages.executor import Lost
from statek_protocol.messages.interpreter import Call, Finished, LimitBreach
from statek_protocol.operations import FUTURE_CANCEL, FUTURE_VALUE


@pytest.mark.parametrize("tool", ["start", "promise"])
def test_a_wait_ends_at_its_deadline_with_an_error(tool: str, tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            job, lease = await suspended(here, tool, "sales", 0.05)
            assert (await here.answer(lease, 1))[0] == "WaitTimeout"
            assert not here.job(job).futures

    run(test, tmp_path)


def test_what_is_there_at_the_deadline_is_not_late(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            _, lease = here.submitted()
            future = await here.ask(lease, 0, "start", "sales", 0)
            exports.done.add("sales")
            assert await here.ask(lease, 1, FUTURE_VALUE, future) == "rows of sales"

    run(test, tmp_path)


def test_a_deadline_passes_while_the_scheduler_is_down(tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            job, _lease = await suspended(here, "promise", "key", 0.3)
        async with opened() as here:
            await here.until(lambda: here.job(job).status != "SUSPENDED")
            lease = here.executor.lease
            await here.ask(lease, 0, "promise", "key", 0.3)
            assert (await here.ask(lease, 1, FUTURE_VALUE, FutureRef(0)))[0] == "WaitTimeout"

    run(test, tmp_path)


def test_whoever_completes_what_an_ended_job_left_open_is_told_that_it_has_ended(tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            job, _ = await suspended(here, "promise", "approval")
            loop = here.stand.loop
            loop.do(lambda tick: loop.steering.cancel(tick, job, "nobody wants it"))
            here.stand.turn()
            assert here.complete("approval", "yes") == ("completed", 1)
            assert here.stand.told(Completed)[-1].ended == (job,)
            assert here.complete("approval", "yes") == ("duplicate", 0)
            assert here.stand.told(Completed)[-1].ended == ()

    run(test, tmp_path)


def test_a_promise_is_completed_once_and_late_and_second_completions_are_told_apart(tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            _, lease = await suspended(here, "promise", "export-42")
            assert here.complete("export-42", [1, 2]) == ("completed", 1)
            assert here.complete("export-42", [3]) == ("duplicate", 0)
            assert await here.answer(lease, 1) == [1, 2]
            await here.ask(lease, 2, "promise", "late", 0)
            assert (await here.ask(lease, 3, FUTURE_VALUE, FutureRef(2)))[0] == "WaitTimeout"
            assert here.complete("late", "it came") == ("late", 0)
            await here.ask(lease, 4, "promise", "late")
            assert await here.ask(lease, 5, FUTURE_VALUE, FutureRef(4)) == "it came"

    run(test, tmp_path)


def test_a_completion_that_comes_first_is_kept_across_a_restart(tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            assert here.complete("export-42", "early") == ("kept", 0)
            assert here.complete("export-42", "again") == ("duplicate", 0)
        async with opened() as here:
            _, lease = here.submitted()
            await here.ask(lease, 0, "promise", "export-42")
            assert await here.ask(lease, 1, FUTURE_VALUE, FutureRef(0)) == "early"

    run(test, tmp_path)


def test_one_completion_is_for_all_jobs_that_wait_for_its_key(tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            leases = [(await suspended(here, "promise", "door", key=f"job {number}"))[1] for number in range(3)]
            assert here.complete("door", "open") == ("completed", 3)
            assert [await here.answer(lease, 1) for lease in leases] == ["open"] * 3

    run(test, tmp_path)


def test_a_completion_wakes_at_once_without_a_look(tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            _, lease = await suspended(here, "promise", "door")
            looks = here.thread.submitted
            here.complete("door", "open")
            assert here.replied(lease, 1) is not None
            assert here.thread.submitted == looks

    run(test, tmp_path)


def test_a_completion_that_a_policy_finds_too_large_fails_the_wait(tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            narrow = Policy(name="narrow", limits=Limits(argument_bytes=1_000), required_layers=frozenset())
            _, lease = here.submitted(policy=narrow)
            await here.ask(lease, 0, "promise", "door")
            here.complete("door", "x" * 2_000)
            kind, text = await here.ask(lease, 1, FUTURE_VALUE, FutureRef(0))
            assert kind == "FutureFailed"
            assert "argument_bytes" in text

    run(test, tmp_path)


def test_waits_are_given_up_by_key_by_job_and_by_the_guest(tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            _, by_key = await suspended(here, "promise", "a", key="1")
            job, by_job = await suspended(here, "start", "b", key="2")
            assert here.told(CancelWait("r1", "a", None)) == ("cancelled", 1)
            assert here.told(CancelWait("r2", "a", None)) == ("nothing", 0)
            assert here.told(CancelWait("r3", None, job)) == ("cancelled", 1)
            assert here.told(CancelWait("r3", None, job)) == ("cancelled", 1), "the same request again"
            for lease in (by_key, by_job):
                assert (await here.answer(lease, 1))[0] == "WaitCancelled"
            _, lease = here.submitted(key="3")
            future = await here.ask(lease, 0, "start", "c")
            assert await here.ask(lease, 1, FUTURE_CANCEL, future) is True
            assert await here.ask(lease, 2, FUTURE_CANCEL, future) is False
            assert (await here.ask(lease, 3, FUTURE_VALUE, future))[0] == "WaitCancelled"

    run(test, tmp_path)


def test_a_future_outlives_its_batch_and_its_job_and_is_used_in_a_later_one(tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            job, lease = here.submitted()
            future = await here.ask(lease, 0, "promise", "door")
            here.executor.send(lease, Finished(1, "ok", None, None, None))
            await here.until(lambda: here.job(job).status == "DONE")
            assert here.complete("door", "open") == ("completed", 1)
            assert here.job(job).status == "DONE"
        async with opened() as here:
            here.stand.submit(b"source", key="again", job=job, policy=None)
            here.stand.turn()
            lease = here.executor.lease
            here.executor.send(lease, Call(2, 0, FUTURE_VALUE, written(((future,), {}))))
            assert await here.answer(lease, 0) == "open"

    run(test, tmp_path)


def test_a_batch_that_is_given_up_while_it_waits_leaves_no_wait_behind(tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            job, lease = await suspended(here, "start", "sales")
            await here.until(lambda: here.watcher.watching == 1)
            here.executor.send(lease, Lost(1, "limit", "too much", LimitBreach("memory_bytes", 1.0, 2.0)))
            await here.until(lambda: here.job(job).status == "DONE")
            assert here.job(job).awaited is None
            assert here.watcher.watching == 0
            assert here.stand.loop.waiting.suspended == 0

    run(test, tmp_path)
