"""What a guest can do with futures, and what it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from futures_exports import Exports, Opened, run, suspended
from futures_stand import FutureRef

from statek import FutureFailed
from statek.core.events import PolicyViolated
from statek_policies import Limits, Policy
from statek_protocol.operations import FUTURE_ALL, FUTURE_ANY, FUTURE_CANCEL, FUTURE_READY, FUTURE_VALUE


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
