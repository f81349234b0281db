"""What a guest was told of clock and chance is told again, however the reading and the writing down fell together."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek_executor.errors import ReplayDiverged
from statek_executor.interpreter import observations
from statek_executor.interpreter.observations import ENTRIES_LIMIT, ENTRY_NS, STEP_NS, ClockStream, Observations
from statek_protocol.messages.base import OBSERVATION_LIMIT

steps = st.lists(st.sampled_from(["time_ns", "monotonic_ns", "entropy", "record", "tick", "jump", "fall"]), max_size=60)


@dataclass
class FakeTime:
    """A clock that only a test moves; `time` and `os` of the module under test."""

    now: int = 10**18
    seeds: Iterator[int] = field(default_factory=lambda: iter(range(1, 1000)))

    def time_ns(self) -> int:
        return self.now

    def monotonic_ns(self) -> int:
        return self.now - 10**18 + 10**9

    def getrandom(self, size: int) -> bytes:
        return next(self.seeds).to_bytes(size, "big")


@pytest.fixture
def clock() -> Iterator[FakeTime]:
    fake = FakeTime()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(observations, "time", fake)
        patch.setattr(observations, "os", fake)
        yield fake


def tell(told: Observations, step: str) -> object:
    return told.entropy(8) if step == "entropy" else getattr(told, step)()


def play(fake: FakeTime, told: Observations, steps: list[str]) -> tuple[list[object], list[bytes]]:
    """Take the steps; returns what was told, and what was written down."""
    values: list[object] = []
    records: list[bytes | None] = []
    for step in steps:
        if step == "record":
            records.append(told.take_record())
        elif step in ("tick", "jump", "fall"):
            fake.now += {"tick": STEP_NS // 3, "jump": 3 * ENTRY_NS, "fall": -5 * ENTRY_NS}[step]
        else:
            values.append(tell(told, step))
    records.append(told.take_record())
    return values, [record for record in records if record is not None]


def fresh(fake: FakeTime, records: list[bytes]) -> Observations:
    """Another process on another host, at another time."""
    fake.now += 7 * 10**12
    told = Observations()
    told.begin(records)
    return told


@given(steps, steps)
def test_a_replay_is_told_the_same_and_then_goes_on(first: list[str], more: list[str]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fake = FakeTime()
        patch.setattr(observations, "time", fake)
        patch.setattr(observations, "os", fake)
        told = fresh(fake, [])
        values, records = play(fake, told, first)
        again = fresh(fake, records)
        replayed, written = play(fake, again, [step for step in first if step != "record"])
        assert replayed == values
        assert written == [], "nothing that was told before is written down again"
        again.check_all_told()
        new_values, new_records = play(fake, again, more)
        third = fresh(fake, records + new_records)
        assert play(fake, third, [*first, *more])[0] == values + new_values


@given(st.lists(steps, min_size=1, max_size=4))
def test_no_clock_falls_within_a_batch_and_none_stands_still(parts: list[list[str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        fake = FakeTime()
        patch.setattr(observations, "time", fake)
        patch.setattr(observations, "os", fake)
        records: list[bytes] = []
        read: dict[str, list[int]] = {"time_ns": [], "monotonic_ns": []}
        before: list[str] = []
        for part in parts:
            told = fresh(fake, records)
            play(fake, told, [step for step in before if step not in ("record", "fall")])
            for step in part:
                if step in read:
                    read[step].append(int(str(tell(told, step))))
                else:
                    records += play(fake, told, [step])[1]
            records += play(fake, told, [])[1]
            before += part
        for values in read.values():
            assert all(earlier < later for earlier, later in itertools.pairwise(values))


def test_reads_that_come_close_together_share_an_entry(clock: FakeTime) -> None:
    stream = ClockStream(clock.time_ns)
    values = [stream.read() for _ in range(1000)]
    assert stream.made == [[10**18, 1000]]
    assert values == [10**18 + STEP_NS * number for number in range(1000)]
    clock.now += ENTRY_NS
    stream.read()
    assert len(stream.made) == 2


def test_the_clock_never_goes_back_to_before_what_an_earlier_process_told(clock: FakeTime) -> None:
    first = Observations()
    last = first.monotonic_ns()
    clock.now -= 10**12
    second = Observations()
    second.monotonic_after(first.monotonic_position)
    assert second.monotonic_ns() > last


def test_bytes_of_one_seed_differ_from_draw_to_draw_and_go_on_at_a_checkpoint(clock: FakeTime) -> None:
    told = Observations()
    told.begin([])
    drawn = [told.entropy(16) for _ in range(5)]
    position = told.draw_position()
    following = told.entropy(16)
    assert len({*drawn, following}) == 6
    again = Observations()
    again.begin([])
    again.draw_from(position)
    assert again.entropy(16) == following
    assert again.take_record() is None, "the seed was told before the checkpoint"


def test_each_batch_has_a_seed_of_its_own(clock: FakeTime) -> None:
    told = Observations()
    told.begin([])
    first = told.entropy(16)
    told.begin([])
    assert told.entropy(16) != first


def test_a_replay_that_reads_less_has_diverged(clock: FakeTime) -> None:
    told = Observations()
    told.begin([])
    told.time_ns(), told.time_ns()
    record = told.take_record()
    assert record is not None
    again = fresh(clock, [record])
    again.time_ns()
    assert again.replaying
    with pytest.raises(ReplayDiverged):
        again.check_all_told()
    again.time_ns()
    again.check_all_told()


def test_a_full_record_fits_into_its_message(clock: FakeTime) -> None:
    told = Observations()
    told.begin([])
    while not told.full:
        clock.now += ENTRY_NS
        told.time_ns()
    record = told.take_record()
    assert record is not None
    assert len(msgpack.unpackb(record)["wall"]) == ENTRIES_LIMIT
    assert len(record) < OBSERVATION_LIMIT
    assert not told.full
