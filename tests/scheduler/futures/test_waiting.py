"""From a guest's use of a value that is not there to its going on: with a real ledger, loop, watcher and thread."""

from __future__ import annotations

from pathlib import Path

import pytest
from futures_exports import Exports, Opened, run, suspended
from futures_stand import FutureRef, waits

from statek import FutureFailed
from statek.core.events import CallAnswered, FutureResolved, FutureTroubled
from statek_protocol.operations import FUTURE_VALUE


def test_a_job_is_suspended_until_its_condition_is_true_and_goes_on_with_the_value(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            job, lease = await suspended(here, "start", "sales")
            awaited = here.job(job).awaited
            assert awaited is not None
            assert (awaited.batch, awaited.call, awaited.future.number, awaited.instruction) == (1, 1, 0, 3)
            await here.until(lambda: len(exports.looked) > 2)
            exports.done.add("sales")
            assert await here.answer(lease, 1) == "rows of sales"
            assert here.job(job).status == "STARTED"
            assert exports.fetched == ["sales"]
            assert not here.job(job).futures
            assert here.watcher.watching == 0

    run(test, tmp_path)


def test_a_value_that_is_there_is_not_fetched_again(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            exports.done.add("sales")
            _, lease = here.submitted()
            future = await here.ask(lease, 0, "start", "sales")
            for number in (1, 2, 3):
                assert await here.ask(lease, number, FUTURE_VALUE, future) == "rows of sales"
            assert exports.fetched == ["sales"]

    run(test, tmp_path)


def test_a_wait_goes_on_after_a_restart_without_a_lease_and_the_replay_is_answered_from_the_record(
    tmp_path: Path,
) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            job, _ = await suspended(here, "start", "sales")
        async with opened(workers=0) as here:
            assert here.job(job).status == "SUSPENDED"
            assert not here.job(job).leased
            await here.until(lambda: here.watcher.watching == 1)
            exports.done.add("sales")
            await here.until(lambda: here.job(job).status == "READY")
        async with opened() as here:
            lease = here.executor.lease
            assert await here.ask(lease, 0, "start", "sales") == FutureRef(0)
            assert await here.ask(lease, 1, FUTURE_VALUE, FutureRef(0)) == "rows of sales"
            assert exports.fetched == ["sales"]

    run(test, tmp_path)


def test_a_condition_that_raises_harms_its_own_job_only_and_is_reported(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            exports.trouble["broken"] = ZeroDivisionError("by zero")
            bad, _ = await suspended(here, "start", "broken")
            _, lease = await suspended(here, "start", "sales", key="other")
            await here.until(lambda: any(isinstance(event, FutureTroubled) for event in here.stand.events(bad)))
            exports.done.add("sales")
            assert await here.answer(lease, 1) == "rows of sales"
            assert here.job(bad).status == "SUSPENDED"
            [troubled] = [event for event in here.stand.events(bad) if isinstance(event, FutureTroubled)]
            assert (troubled.error, troubled.failures) == ("ZeroDivisionError: by zero", 1)
            del exports.trouble["broken"]
            exports.done.add("broken")
            await here.until(lambda: here.job(bad).status == "STARTED")

    run(test, tmp_path)


def test_a_condition_that_hangs_is_interrupted_and_others_go_on(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened(budget_seconds=0.1) as here:
            bad, _ = await suspended(here, "start", "hanging")
            _, lease = await suspended(here, "start", "sales", key="other")
            exports.done.add("sales")
            assert await here.answer(lease, 1) == "rows of sales"
            await here.until(lambda: any(isinstance(event, FutureTroubled) for event in here.stand.events(bad)))
            [troubled] = [event for event in here.stand.events(bad) if isinstance(event, FutureTroubled)]
            assert troubled.error == "took too long and was interrupted"

    run(test, tmp_path)


def test_a_condition_can_end_the_wait_for_good(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            exports.trouble["sales"] = FutureFailed("there are no such rows")
            _, lease = await suspended(here, "start", "sales")
            assert await here.answer(lease, 1) == ("FutureFailed", "there are no such rows")

    run(test, tmp_path)


def test_the_end_of_a_lease_leaves_the_wait_as_it_is(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            job, lease = await suspended(here, "start", "sales")
            here.executor.beat()  # names no lease, which is then taken for one that never arrived
            for _ in range(3):
                here.executor.beat()
            await here.until(lambda: not here.job(job).leased)
            assert here.job(job).status == "SUSPENDED"
            exports.done.add("sales")
            await here.until(lambda: here.executor.lease != lease)
            again = here.executor.lease
            assert await here.ask(again, 0, "start", "sales") == FutureRef(0)
            assert await here.ask(again, 1, FUTURE_VALUE, FutureRef(0)) == "rows of sales"
            resolved = [event for event in here.stand.events(job) if isinstance(event, FutureResolved)]
            answered = [event for event in here.stand.events(job) if isinstance(event, CallAnswered)]
            assert (len(resolved), len(answered)) == (1, 2)
            assert exports.fetched == ["sales"]

    run(test, tmp_path)


def test_a_condition_that_hangs_in_c_is_reported_and_what_waits_goes_on_after_it(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened(budget_seconds=0.1) as here:
            bad, _ = await suspended(here, "start", "blocking")
            _, lease = await suspended(here, "start", "sales", key="other")
            exports.done.add("sales")
            await here.until(lambda: any(isinstance(event, FutureTroubled) for event in here.stand.events(bad)))
            [troubled] = [event for event in here.stand.events(bad) if isinstance(event, FutureTroubled)]
            assert "cannot be interrupted" in troubled.error
            exports.hang.set()
            assert await here.answer(lease, 1) == "rows of sales"

    run(test, tmp_path)


def test_a_value_that_cannot_cross_fails_the_wait(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            exports.done.add("socket")
            _, lease = await suspended(here, "start", "socket")
            kind, text = await here.answer(lease, 1)
            assert kind == "FutureFailed"
            assert "cannot cross" in text

    run(test, tmp_path)


def test_a_scheduler_without_the_application_fails_no_wait(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            job, _ = await suspended(here, "start", "sales")
        async with waits(tmp_path / "ledger") as here:
            await here.until(lambda: any(isinstance(event, FutureTroubled) for event in here.stand.events(job)))
            assert here.job(job).status == "SUSPENDED"
        exports.done.add("sales")
        async with opened() as here:
            await here.until(lambda: not here.job(job).futures)

    run(test, tmp_path)


def test_many_suspended_jobs_are_taken_up_while_the_scheduler_serves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            jobs = [(await suspended(here, "start", f"{number}", key=f"{number}"))[0] for number in range(7)]
        async with opened() as here:
            assert here.stand.loop.waiting.suspended == 7
            assert here.watcher.watching < 7
            await here.until(lambda: here.watcher.watching == 7)
            assert not any(here.job(job).leased for job in jobs)
            exports.done |= {f"{number}" for number in range(7)}
            await here.until(lambda: all(here.job(job).status == "STARTED" for job in jobs))
            assert here.stand.loop.waiting.suspended == 0

    monkeypatch.setattr("statek.loop.waiting.TAKEN_UP_AT_ONCE", 2)
    run(test, tmp_path)
