"""What futures come to by one another, each decision by itself."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from statek.core.awaiting import FuturePart
from statek.core.events import CallAnswered, Event, FutureCreated, FutureResolved, JobResumed, JobSuspended
from statek.core.evolve import evolve
from statek.core.futures import Settlement, follow, resolve, sources
from statek.core.jobs import Job, RunningBatch
from statek.core.moment import Moment
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.values import decode_value, encode_value


class Record:
    """A job with futures, and what became of them; it counts how often that is asked."""

    def __init__(self, *events: Event, value_bytes: int = 1_000_000) -> None:
        self.job = Job("job", "policy", status="STARTED", running=RunningBatch(1, "batch", "source"))
        self.resolved: dict[int, FutureResolved] = {}
        self.asked: list[int] = []
        self.value_bytes = value_bytes
        self.take(events)

    def take(self, events: Sequence[Event]) -> None:
        for event in events:
            if isinstance(event, FutureResolved):
                assert event.number not in self.resolved
                self.resolved[event.number] = event
            if not isinstance(event, CallAnswered):
                self.job = evolve(self.job, event)

    @property
    def moment(self) -> Moment:
        return Moment(resolved=self.of, value_bytes=self.value_bytes)

    def of(self, number: int) -> FutureResolved | None:
        self.asked.append(number)
        return self.resolved.get(number)

    def resolve(self, number: int, value: object = None, error: str = "") -> tuple[Event, ...]:
        settlement = Settlement(None, GuestError("E", error, None)) if error else Settlement(written(value), None)
        events = resolve(self.job, None, number, settlement, self.moment).events
        self.take(events)
        return events


def written(value: object) -> bytes:
    return encode_value(value, max_bytes=1_000_000, max_depth=9)


def read(event: FutureResolved | CallAnswered) -> object:
    return event.error.message if event.error else decode_value(event.value or b"", max_bytes=10**6, max_depth=9)


def made(number: int, shape: str = "temporal", *parts: int) -> FutureCreated:
    return FutureCreated(number, shape, parts=tuple(map(FuturePart, parts)))  # type: ignore[arg-type]


def outcomes(events: Sequence[Event]) -> dict[int, object]:
    return {event.number: read(event) for event in events if isinstance(event, FutureResolved)}


def test_one_resolution_resolves_all_that_is_made_of_it_at_once() -> None:
    record = Record(made(0), made(2), made(1, "any", 0, 2), made(3, "all", 1, 0), made(5, "any", 3))
    assert outcomes(record.resolve(0, "x")) == {0: "x", 1: "x", 3: ("x", "x"), 5: ("x", "x")}
    assert [entry.number for entry in record.job.futures] == [2]
    assert outcomes(record.resolve(2, "late")) == {2: "late"}


def test_a_second_outcome_changes_nothing() -> None:
    record = Record(made(0))
    record.resolve(0, 1)
    assert record.resolve(0, 2) == ()
    assert record.resolve(99, 2) == ()


def test_failures_pass_through_all_and_stop_any_only_when_nothing_is_left() -> None:
    record = Record(made(0), made(2), made(1, "any", 0, 2), made(3, "all", 0, 2))
    assert outcomes(record.resolve(0, error="no")) == {0: "no", 3: "no"}
    found = outcomes(record.resolve(2, error="neither"))
    assert found[1] == "none of 2 futures succeeded: E: no; E: neither"


def test_a_future_may_be_a_part_twice() -> None:
    record = Record(made(0), made(1, "all", 0, 0), made(3, "any", 1, 1))
    assert outcomes(record.resolve(0, 7)) == {0: 7, 1: (7, 7), 3: (7, 7)}


def test_what_is_made_of_resolved_futures_is_resolved_when_it_is_made() -> None:
    record = Record(made(0), made(2))
    record.resolve(0, "a")
    record.take((made(1, "any", 2, 0), made(3, "all", 2, 0)))
    events = follow(record.job, None, (1, 3), record.moment).events
    assert outcomes(events) == {1: "a"}
    record.take(events)
    assert outcomes(record.resolve(2, "b")) == {2: "b", 3: ("b", "a")}


def test_elements_are_taken_from_the_value() -> None:
    elements = tuple(FuturePart(0, (index,)) for index in (1, 0))
    record = Record(made(0), FutureCreated(1, "all", parts=elements))
    assert outcomes(record.resolve(0, ("left", "right")))[1] == ("right", "left")


@pytest.mark.parametrize(("value", "text"), [((1,), "not enough values to unpack"), (5, "cannot unpack")])
def test_an_element_that_is_not_there_is_a_failure(value: object, text: str) -> None:
    record = Record(made(0), FutureCreated(1, "all", parts=(FuturePart(0, (1,)),)))
    assert text in str(outcomes(record.resolve(0, value))[1])


def test_values_that_are_too_large_together_fail() -> None:
    record = Record(made(0), made(1, "all", *[0] * 50), value_bytes=1_000)
    assert str(outcomes(record.resolve(0, "x" * 100))[1]).startswith("argument_bytes: ")


def test_outcomes_are_asked_for_only_when_they_are_needed_and_once() -> None:
    numbers = range(0, 200, 2)
    record = Record(*map(made, numbers), made(1, "all", *numbers), made(3, "any", *numbers))
    for number in numbers[:-1]:
        record.resolve(number, 1)
    assert len(record.asked) == 0
    record.resolve(numbers[-1], 1)
    assert sorted(record.asked) == sorted(set(record.asked))


def test_the_call_that_waits_is_answered_with_the_resolution() -> None:
    record = Record(made(0), made(1, "all", 0), JobSuspended(1, 4, 1, (0,), 2, 7))
    assert record.job.status == "SUSPENDED"
    assert [entry.number for entry in sources(record.job, 1)] == [1, 0]
    *_, answered, resumed = record.resolve(0, "x")
    assert isinstance(answered, CallAnswered)
    assert (answered.number, read(answered)) == (4, "x")
    assert isinstance(resumed, JobResumed)
    assert record.job.status == "READY"
