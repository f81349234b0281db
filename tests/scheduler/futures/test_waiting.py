"""From a guest's use of a value that is not there to its going on: with a real ledger, loop, watcher and thread."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from futures_stand import FutureRef, Waits, waits, written

from statek import FutureFailed, FutureResult, get_all_future, get_any_future, temporal
from statek.core.events import CallAnswered, FutureResolved, FutureTroubled, PolicyViolated
from statek_policies import Limits, Policy
from statek_protocol.messages.client import CancelWait
from statek_protocol.messages.executor import Lost
from statek_protocol.messages.interpreter import Call, Finished, LimitBreach
from statek_protocol.operations import FUTURE_ALL, FUTURE_ANY, FUTURE_CANCEL, FUTURE_READY, FUTURE_VALUE


class Exports:
    """Things that take time, as an application has them."""

    def __init__(self) -> None:
        self.done: set[str] = set()
        self.looked: list[str] = []
        self.fetched: list[str] = []
        self.trouble: dict[str, BaseException] = {}
        self.hang = threading.Event()
        """Conditions of "hanging" spin until it is set, those of "blocking" wait for it."""

    def condition(self, future: FutureResult) -> bool:
        self.looked.append(future.deps)
        if future.deps in self.trouble:
            raise self.trouble[future.deps]
        while future.deps == "hanging" and not self.hang.is_set():
            pass
        if future.deps == "blocking":
            self.hang.wait()
        return future.deps in self.done

    def complement(self, future: FutureResult) -> object:
        self.fetched.append(future.deps)
        return f"rows of {future.deps}" if future.deps != "socket" else object()

    @property
    def tools(self) -> list[Callable[..., Any]]:
        @temporal(self.complement, self.condition)
        def start(name: str, seconds: float | None = None) -> FutureResult:
            return FutureResult(name, deadline_seconds=seconds)

        @temporal()
        def promise(key: str, seconds: float | None = None) -> FutureResult:
            return FutureResult(key=key, deadline_seconds=seconds)

        @temporal(extends=start)
        def either(*names: str) -> FutureResult:
            return get_any_future(*(FutureResult(name) for name in names))

        @temporal(extends=start)
        def both(first: str, second: object) -> FutureResult:
            return get_all_future(start(first), second)

        def plain(name: str) -> FutureResult:
            return FutureResult(name)

        return [start, promise, both, either, plain]


Opened = Callable[..., AbstractAsyncContextManager[Waits]]
Test = Callable[[Opened, Exports], Awaitable[None]]


def run(test: Test, tmp_path: Path) -> None:
    exports = Exports()
    opened = partial(waits, tmp_path / "ledger", *exports.tools)
    try:
        asyncio.run(asyncio.wait_for(test(opened, exports), 60))
    finally:
        exports.hang.set()


async def suspended(here: Waits, tool: str = "start", *args: object, key: str = "key") -> tuple[str, Any]:
    """A job that waits for the future that a tool gives."""
    job, lease = here.submitted(key=key)
    future = await here.ask(lease, 0, tool, *args)
    assert future == FutureRef(0), future
    here.call(lease, 1, FUTURE_VALUE, future, instruction=3)
    await here.until(lambda: "job_suspended" in here.stand.kinds(job))
    return job, lease


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


def test_any_takes_the_first_and_all_takes_all(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            _, lease = here.submitted()
            first, second = [await here.ask(lease, number, "start", name) for number, name in enumerate("ab")]
            some = await here.ask(lease, 2, FUTURE_ANY, (first, second), None)
            every = await here.ask(lease, 3, FUTURE_ALL, (first, second, 7), None)
            exports.done.add("b")
            assert await here.ask(lease, 4, FUTURE_VALUE, some) == "rows of b"
            exports.done.add("a")
            assert await here.ask(lease, 5, FUTURE_VALUE, every) == ("rows of a", "rows of b", 7)
            assert await here.ask(lease, 6, FUTURE_VALUE, FutureRef(every.number, (1,))) == "rows of b"
            assert (await here.ask(lease, 7, FUTURE_VALUE, FutureRef(every.number, (3,))))[0] == "ValueError"
            assert sorted(exports.fetched) == ["a", "b"]

    run(test, tmp_path)


def test_any_fails_when_all_have_failed_and_all_when_one_has(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            exports.trouble["a"] = FutureFailed("no a")
            exports.trouble["b"] = FutureFailed("no b")
            _, lease = here.submitted()
            first, second, third = [await here.ask(lease, number, "start", name) for number, name in enumerate("abc")]
            some = await here.ask(lease, 3, FUTURE_ANY, (first, second), None)
            every = await here.ask(lease, 4, FUTURE_ALL, (third, second), None)
            kind, text = await here.ask(lease, 5, FUTURE_VALUE, some)
            assert kind == "FutureFailed"
            assert "no a" in text
            assert "no b" in text
            assert await here.ask(lease, 6, FUTURE_VALUE, every) == ("FutureFailed", "no b")

    run(test, tmp_path)


def test_a_combination_has_a_timeout_and_its_parts_stay(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            _, lease = here.submitted()
            first = await here.ask(lease, 0, "start", "a")
            some = await here.ask(lease, 1, FUTURE_ANY, (first,), 0.02)
            assert (await here.ask(lease, 2, FUTURE_VALUE, some))[0] == "WaitTimeout"
            exports.done.add("a")
            assert await here.ask(lease, 3, FUTURE_VALUE, first) == "rows of a"

    run(test, tmp_path)


def test_an_application_combines_futures_too(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            job, lease = here.submitted()
            future = await here.ask(lease, 0, "both", "a", [1])
            here.call(lease, 1, FUTURE_VALUE, future)
            await here.until(lambda: here.job(job).status == "SUSPENDED")
            exports.done.add("a")
            assert await here.answer(lease, 1) == ("rows of a", [1])

    run(test, tmp_path)


def test_asking_whether_it_is_there_never_suspends(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened() as here:
            _, lease = here.submitted()
            first = await here.ask(lease, 0, "start", "a")
            some = await here.ask(lease, 1, FUTURE_ANY, (first,), None)
            promise = await here.ask(lease, 2, "promise", "door")
            assert await here.ask(lease, 3, FUTURE_READY, some) is False
            assert await here.ask(lease, 4, FUTURE_READY, promise) is False
            exports.done.add("a")
            assert await here.ask(lease, 5, FUTURE_READY, some) is True
            assert await here.ask(lease, 6, FUTURE_READY, first) is True

    run(test, tmp_path)


def test_a_number_that_was_made_up_is_an_error_and_a_violation(tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            job, lease = here.submitted()
            for number, operation in enumerate((FUTURE_VALUE, FUTURE_READY, FUTURE_CANCEL)):
                assert (await here.ask(lease, number, operation, FutureRef(12)))[0] == "PolicyViolation"
            assert (await here.ask(lease, 3, FUTURE_ANY, (FutureRef(12),), None))[0] == "PolicyViolation"
            violations = [event for event in here.stand.events(job) if isinstance(event, PolicyViolated)]
            assert {violation.rule for violation in violations} == {"future.unknown"}

    run(test, tmp_path)


@pytest.mark.parametrize(
    ("operation", "arguments", "kind"),
    [
        (FUTURE_VALUE, (1,), "TypeError"),
        (FUTURE_VALUE, (), "TypeError"),
        (FUTURE_ANY, ((), None), "TypeError"),
        (FUTURE_ALL, ((1,), -1), "ValueError"),
        (FUTURE_ALL, ((1,), float("nan")), "ValueError"),
        (FUTURE_ALL, ((1,), 10**400), "ValueError"),
        (FUTURE_ALL, ((1,), True), "ValueError"),
        (FUTURE_ANY, (7, None), "TypeError"),
        (FUTURE_ANY, (("x" * 20_000,), None), "LimitError"),
    ],
)
def test_senseless_operations_are_answered_with_an_error(
    operation: str, arguments: tuple[object, ...], kind: str, tmp_path: Path
) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            job, lease = here.submitted()
            assert (await here.ask(lease, 0, operation, *arguments))[0] == kind
            assert here.job(job).status == "STARTED"

    run(test, tmp_path)


def test_more_jobs_than_may_be_suspended_get_an_error_that_they_can_handle(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        async with opened(max_suspended=1) as here:
            first, _ = await suspended(here, "start", "a", key="1")
            _, lease = here.submitted(key="2")
            future = await here.ask(lease, 0, "start", "b")
            kind, text = await here.ask(lease, 1, FUTURE_VALUE, future)
            assert kind == "LimitError"
            assert text.startswith("max_suspended: 1 jobs wait already")
            exports.done.add("a")
            await here.until(lambda: here.job(first).status == "STARTED")
            exports.done.add("b")
            assert await here.ask(lease, 2, FUTURE_VALUE, future) == "rows of b"

    run(test, tmp_path)


def test_a_job_has_no_more_unresolved_futures_than_its_policy_allows(tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            narrow = Policy(name="narrow", limits=Limits(pending_waits=2), required_layers=frozenset())
            job, lease = here.submitted(policy=narrow)
            future = await here.ask(lease, 0, "start", "a")
            await here.ask(lease, 1, "start", "b")
            assert "pending_waits" in (await here.ask(lease, 2, "start", "c"))[1]
            kind, text = await here.ask(lease, 3, FUTURE_ANY, (future,), None)
            assert kind == "LimitError"
            assert text.startswith("pending_waits: 2")
            assert len(here.job(job).futures) == 2

    run(test, tmp_path)


def test_a_future_that_nothing_could_resolve_is_refused_where_it_is_made(tmp_path: Path) -> None:
    async def test(opened: Opened, _: Exports) -> None:
        async with opened() as here:
            _, lease = here.submitted()
            kind, text = await here.ask(lease, 0, "plain", "a")
            assert kind == "TypeError"
            assert "give it a key" in text

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


def test_many_suspended_jobs_are_taken_up_while_the_scheduler_serves(tmp_path: Path) -> None:
    async def test(opened: Opened, exports: Exports) -> None:
        monkey = pytest.MonkeyPatch()
        monkey.setattr("statek.waiting.TAKEN_UP_AT_ONCE", 2)
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
        monkey.undo()

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
