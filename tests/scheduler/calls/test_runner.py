"""Each kind of tool runs where it should, once, and its outcome crosses as data whatever it does."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from statek.calls.application import Application
from statek.calls.current import current_call
from statek.calls.offers import Offer
from statek.calls.runner import ToolRunner
from statek.calls.tools import ToolRegistry, tool
from statek.core.events import CallAnswered, Event
from statek.core.instructions import RunTool
from statek.core.jobs import Job
from statek.futures.registry import Futures
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger
from statek.store.mirror import Mirror
from statek_policies import Limits, Policy
from statek_protocol.messages.base import TEXT_LIMIT
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.operations import SLEEP
from statek_protocol.values import decode_value, encode_value

LIMITS = Limits()
POLICY = Policy()
WAIT_SECONDS = 10.0
LONG = Limits(wall_seconds=1000)


JOB = Job("job", "policy")


@pytest.fixture(scope="module")
def application(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mirror]:
    """The application's one thread, with dbzero in it."""
    store = StoreDirectory.create_or_open(tmp_path_factory.mktemp("runner") / "store")
    failures: list[BaseException] = []
    with Ledger.open(store.ledger):
        mirror = Mirror(store.dbzero, store.ledger, failures.append)
        mirror.start()
        assert mirror.ready.wait(WAIT_SECONDS)
        yield mirror
        assert mirror.stop(WAIT_SECONDS)
    assert not failures


def call_of(name: str, *args: object, number: int = 0, repeated: bool = False, **kwargs: object) -> RunTool:
    return RunTool(1, number, name, encode_value((args, kwargs), max_bytes=2**20, max_depth=64), repeated)


class Answers:
    """What came back, by call number."""

    def __init__(self) -> None:
        self.by_number: dict[int, list[CallAnswered]] = {}
        self._came = asyncio.Event()

    def __call__(self, job: str, answer: CallAnswered, _made: tuple[Event, ...] = ()) -> None:
        assert job == "job"
        self.by_number.setdefault(answer.number, []).append(answer)
        self._came.set()

    async def of(self, number: int) -> CallAnswered:
        async with asyncio.timeout(WAIT_SECONDS):
            while number not in self.by_number:
                self._came.clear()
                await self._came.wait()
        return self.by_number[number][0]


def runner_of(
    functions: list[Callable[..., Any]], application: Mirror, answers: Answers, timeout_seconds: float = WAIT_SECONDS
) -> ToolRunner:
    offered = Application(offer=Offer(ToolRegistry(functions)))
    return ToolRunner(offered, application, answers, futures=Futures(dict), timeout_seconds=timeout_seconds)


def run(
    application: Mirror,
    functions: list[Callable[..., Any]],
    *calls: RunTool,
    limits: Limits = LIMITS,
    timeout_seconds: float = WAIT_SECONDS,
) -> CallAnswered:
    """Start these calls, and return the answer to the last one."""

    async def main() -> CallAnswered:
        answers = Answers()
        runner = runner_of(functions, application, answers, timeout_seconds)
        try:
            for call in calls:
                runner.start(JOB, call, Policy(limits=limits), 0.0)
            return await answers.of(calls[-1].number)
        finally:
            await runner.close()

    return asyncio.run(main())


def keys() -> list[str]:
    """What a tool brings about is named by its call."""
    call = current_call()
    assert call is not None
    assert call.job == "job"
    return [call.next_key(), call.next_key()]


@tool(thread=True)
def keys_in_a_thread() -> list[str]:
    return keys()


async def keys_async() -> list[str]:
    return await asyncio.to_thread(keys)


@pytest.mark.parametrize("function", [keys, keys_in_a_thread, keys_async])
def test_application_code_knows_the_call_that_it_runs_for(application: Mirror, function: Callable[..., Any]) -> None:
    @tool(idempotent=True)
    def again() -> list[str]:
        return keys()

    named = run(application, [function], call_of(function.__name__, number=3))
    assert value_of(named) == ["job/1/3/0", "job/1/3/1"]
    repeated = run(application, [again], call_of("again", number=3, repeated=True))
    assert value_of(repeated) == value_of(named)
    assert current_call() is None


def test_a_tool_of_an_agent_does_not_run_for_a_job_that_has_none(application: Mirror) -> None:
    ran: list[str] = []

    def note() -> None:
        ran.append("note")

    async def main(job: Job) -> CallAnswered:
        answers = Answers()
        offered = Application(offer=Offer(ToolRegistry([note]), reserved=frozenset({"note"})))
        runner = ToolRunner(offered, application, answers, futures=Futures(dict))
        try:
            runner.start(job, call_of("note"), Policy(), 0.0)
            return await answers.of(0)
        finally:
            await runner.close()

    error = error_of(asyncio.run(main(JOB)))
    assert (error.type, ran) == ("NameError", [])
    assert asyncio.run(main(replace(JOB, agent="clerk"))).error is None
    assert ran == ["note"]


def test_a_tool_that_the_policy_withholds_does_not_run_whoever_decided_otherwise(application: Mirror) -> None:
    ran: list[str] = []

    def note() -> None:
        ran.append("note")

    async def main() -> CallAnswered:
        answers = Answers()
        runner = runner_of([note], application, answers)
        try:
            runner.start(JOB, call_of("note"), Policy(tools=("other",)), 0.0)
            return await answers.of(0)
        finally:
            await runner.close()

    assert error_of(asyncio.run(main())).type == "PolicyViolation"
    assert not ran


def value_of(answer: CallAnswered) -> object:
    assert answer.error is None, answer.error
    assert answer.value is not None
    return decode_value(answer.value, max_bytes=2**24, max_depth=64)


def error_of(answer: CallAnswered) -> GuestError:
    assert answer.value is None
    assert answer.error is not None
    return answer.error


def where() -> str:
    return threading.current_thread().name


@tool(thread=True)
def where_in_a_thread() -> str:
    return threading.current_thread().name


async def where_async() -> str:
    return threading.current_thread().name


KINDS = [tool(name="plain"), tool(name="threaded", thread=True)]


@pytest.mark.parametrize(
    ("function", "thread"), [(where, "statek-dbzero"), (where_in_a_thread, "tool"), (where_async, "MainThread")]
)
def test_each_kind_runs_in_its_own_place(application: Mirror, function: Callable[[], str], thread: str) -> None:
    answered = value_of(run(application, [function], call_of(function.__name__)))
    assert str(answered).startswith(thread)


def test_arguments_and_results_cross_as_values(application: Mirror) -> None:
    def mix(*args: Any, **kwargs: Any) -> Any:
        return {"args": args, "kwargs": kwargs}

    assert value_of(run(application, [mix], call_of("mix", 1, "a", key={2}))) == {
        "args": (1, "a"),
        "kwargs": {"key": {2}},
    }


class Unprintable(Exception):
    def __str__(self) -> str:
        raise ValueError("no text")


RAISED = [
    (ValueError("bad"), "ValueError", "bad"),
    (KeyError("k"), "KeyError", "'k'"),
    (StopIteration("over"), "StopIteration", "over"),
    (SystemExit(3), "SystemExit", "3"),
    (KeyboardInterrupt(), "KeyboardInterrupt", ""),
    (GeneratorExit(), "GeneratorExit", ""),
    (Unprintable(), "Unprintable", "(its text cannot be had: ValueError)"),
    (ValueError("\ud800 alone"), "ValueError", "\\ud800 alone"),
]


@pytest.mark.parametrize("mark", KINDS, ids=["plain", "threaded"])
@pytest.mark.parametrize(("error", "name", "text"), RAISED, ids=[name for _, name, _ in RAISED])
def test_whatever_a_tool_raises_is_the_outcome_of_its_one_call(
    application: Mirror, mark: Any, error: BaseException, name: str, text: str
) -> None:
    called = []

    @mark
    def fail() -> None:
        called.append(1)
        raise error

    [offered] = ToolRegistry([fail]).names
    found = error_of(run(application, [fail], call_of(offered)))
    assert (found.type, found.message, found.line) == (name, text, None)
    assert called == [1]


@pytest.mark.parametrize("error", [ValueError("bad"), SystemExit(3), asyncio.CancelledError(), TimeoutError()])
def test_whatever_an_async_tool_raises_is_the_outcome_too(application: Mirror, error: BaseException) -> None:
    async def fail() -> None:
        raise error

    assert error_of(run(application, [fail], call_of("fail"))).type == type(error).__name__


def test_a_long_error_is_cut(application: Mirror) -> None:
    def fail() -> None:
        raise ValueError("\ud800" * 100_000)

    assert 0 < len(error_of(run(application, [fail], call_of("fail"))).message) <= TEXT_LIMIT


def test_the_odd_name_of_an_exception_crosses(application: Mirror) -> None:
    def fail() -> None:
        raise type("X" * 1000, (Exception,), {})

    assert error_of(run(application, [fail], call_of("fail"))).type == "X" * 200


@pytest.mark.parametrize("result", [object(), [sys], {"deep": lambda: None}])
def test_a_result_that_cannot_cross_is_an_error(application: Mirror, result: object) -> None:
    def give() -> object:
        return result

    error = error_of(run(application, [give], call_of("give")))
    assert error.type == "TypeError"
    assert "returned what cannot cross" in error.message


def test_a_result_beyond_the_limit_is_an_error(application: Mirror) -> None:
    def give() -> str:
        return "x" * 100

    error = error_of(run(application, [give], call_of("give"), limits=Limits(argument_bytes=99)))
    assert "larger than 99 bytes" in error.message


def test_an_unknown_tool_is_a_name_error(application: Mirror) -> None:
    assert error_of(run(application, [], call_of("nothing"))).type == "NameError"


@pytest.mark.parametrize(
    "arguments",
    [b"", b"\xff", b"not a value", *(encode_value(odd, max_bytes=99, max_depth=9) for odd in (1, (), ((1,), {1: 2})))],
)
def test_arguments_that_are_none_are_an_error(application: Mirror, arguments: bytes) -> None:
    error = error_of(run(application, [where], RunTool(1, 0, "where", arguments, False)))
    assert error.type == "TypeError"


def test_a_repeated_call_runs_again_only_if_the_tool_is_idempotent(application: Mirror) -> None:
    called = []

    @tool(idempotent=True)
    def careless() -> str:
        called.append("careless")
        return "again"

    def careful() -> None:
        called.append("careful")

    functions = [careless, careful]
    assert value_of(run(application, functions, call_of("careless", repeated=True))) == "again"
    assert error_of(run(application, functions, call_of("careful", repeated=True))).type == "ToolOutcomeUnknown"
    assert called == ["careless"]


def test_the_key_of_a_call_is_the_same_whenever_it_is_made_and_no_guest_can_choose_it(
    application: Mirror,
) -> None:
    @tool(idempotent=True)
    def keyed(idempotency_key: str) -> str:
        return idempotency_key

    keys = {
        value_of(run(application, [keyed], call))
        for call in (
            call_of("keyed", number=3),
            call_of("keyed", number=3, repeated=True),
            call_of("keyed", number=3, idempotency_key="forged"),
        )
    }
    assert keys == {"job/1/3"}


def test_a_call_that_is_under_way_is_not_started_again(application: Mirror) -> None:
    async def main() -> int:
        go_on = asyncio.Event()
        called = []

        @tool(idempotent=True)
        async def slow() -> int:
            called.append(1)
            await go_on.wait()
            return len(called)

        answers = Answers()
        runner = runner_of([slow], application, answers)
        runner.start(JOB, call_of("slow"), POLICY, 0.0)
        await asyncio.sleep(0)
        runner.start(JOB, call_of("slow", repeated=True), POLICY, 0.0)
        go_on.set()
        await answers.of(0)
        await runner.close()
        assert len(answers.by_number[0]) == 1
        return len(called)

    assert asyncio.run(main()) == 1


def test_calls_of_the_application_run_one_at_a_time_and_those_of_threads_side_by_side(
    application: Mirror,
) -> None:
    together = threading.Barrier(2)
    inside = []

    @tool(thread=True)
    def meet() -> bool:
        together.wait(WAIT_SECONDS)
        return True

    def alone() -> int:
        inside.append(1)
        found = len(inside)
        inside.pop()
        return found

    assert value_of(run(application, [meet], call_of("meet"), call_of("meet", number=1))) is True
    assert value_of(run(application, [alone], *(call_of("alone", number=number) for number in range(5)))) == 1


def test_a_call_without_an_outcome_when_the_scheduler_stops_has_none(application: Mirror) -> None:
    async def main() -> dict[int, list[CallAnswered]]:
        async def endless() -> None:
            await asyncio.Event().wait()

        answers = Answers()
        runner = runner_of([endless], application, answers)
        runner.start(JOB, call_of("endless"), POLICY, 0.0)
        await asyncio.sleep(0)
        await runner.close()
        return answers.by_number

    assert asyncio.run(main()) == {}


@pytest.mark.parametrize(("seconds", "waited", "left"), [(20.0, 5.0, 15.0), (20, 0.0, 20.0), (20.0, 60.0, 0.0)])
def test_a_sleep_goes_on_for_what_is_left_of_it(
    application: Mirror, monkeypatch: pytest.MonkeyPatch, seconds: float, waited: float, left: float
) -> None:
    slept: list[float] = []

    async def sleep(length: float) -> None:
        slept.append(length)

    async def main() -> CallAnswered:
        answers = Answers()
        runner = runner_of([], application, answers)
        monkeypatch.setattr("statek.calls.runner.asyncio.sleep", sleep)
        runner.start(JOB, call_of(SLEEP, seconds, repeated=True), Policy(limits=LONG), waited)
        answer = await answers.of(0)
        await runner.close()
        return answer

    assert value_of(asyncio.run(main())) is None
    assert slept == [left]


@pytest.mark.parametrize(
    "arguments", [(), ("long",), (-1.0,), (1e300,), (float("nan"),), (float("inf"),), (10**400,), (1.0, 2.0), (None,)]
)
def test_a_sleep_that_an_honest_guest_could_not_ask_for_is_an_error(
    application: Mirror, arguments: tuple[object, ...]
) -> None:
    assert error_of(run(application, [], call_of(SLEEP, *arguments))).type == "ValueError"
