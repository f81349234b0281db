"""A follower that knows everything is told of a turn from memory, and of the same events as one that reads on."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from loop_stand import FakeExecutor, Stand, finished, stand

from statek.api.followers import PAGE_EVENTS
from statek_protocol.messages.client import Accepted, Events, JobEvent
from statek_protocol.messages.interpreter import Console, Run, Violated


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Stand]:
    with stand(tmp_path / "ledger") as made:
        yield made


def told(here: Stand, request: str) -> list[JobEvent]:
    return [event for page in here.told(Events) if page.request == request for event in page.events]


def followed_from_the_start(here: Stand) -> tuple[FakeExecutor, Accepted]:
    executor = here.executor()
    accepted = here.submitted(b"one")
    here.follow(accepted.job, request="early")
    here.turn()
    return executor, accepted


def test_who_was_there_all_the_time_is_told_what_one_who_comes_late_reads(here: Stand) -> None:
    executor, accepted = followed_from_the_start(here)
    executor.send(executor.lease, Console(1, b"one\n"))
    here.turn()
    executor.send(executor.lease, Violated(1, "import", "detail", 1, "runtime"))
    executor.send(executor.lease, Console(1, b"two\n"))
    executor.send(executor.lease, finished(executor.all(Run)[0]))
    here.turn()
    here.follow(accepted.job, request="late")
    here.turn()
    assert here.job(accepted.job).status == "DONE"
    assert told(here, "early") == told(here, "late")


def test_what_a_turn_brings_is_not_read_from_the_ledger_again(here: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    executor, _ = followed_from_the_start(here)

    def refuse(*_: Any) -> Any:
        raise AssertionError("it was read")

    monkeypatch.setattr(here.ledger, "events", refuse)
    executor.send(executor.lease, Console(1, b"hello\n"))
    here.turn()
    assert told(here, "early")[-1].kind == "console_printed"


def test_turns_that_have_nothing_for_a_follower_let_it_miss_nothing_of_the_next(here: Stand) -> None:
    executor, _ = followed_from_the_start(here)
    here.submitted(b"another", key="another")
    here.submitted(b"a third", key="third")
    executor.send(executor.lease, Console(1, b"hello\n"))
    here.turn()
    assert [event.kind for event in told(here, "early")].count("console_printed") == 1


def test_a_turn_with_more_than_a_page_is_told_once_and_in_order(here: Stand) -> None:
    executor, _ = followed_from_the_start(here)
    before = len(told(here, "early"))
    for number in range(2 * PAGE_EVENTS):
        executor.send(executor.lease, Violated(1, "import", "detail", number, "runtime"))
    here.turn()
    cursors = [event.cursor for event in told(here, "early")]
    assert len(cursors) == before + 2 * PAGE_EVENTS
    assert cursors == sorted(set(cursors))


def test_a_turn_of_any_size_is_told_whole(here: Stand) -> None:
    executor, _ = followed_from_the_start(here)
    before = len(told(here, "early"))
    for number in range(100):
        executor.send(executor.lease, Violated(1, "import", "ü" * 16_000, number, "runtime"))
    here.turn()
    assert len(told(here, "early")) == before + 100


def test_who_asks_from_the_middle_is_told_what_comes_after_it(here: Stand) -> None:
    executor, accepted = followed_from_the_start(here)
    here.follow(accepted.job, after=here.ledger.last_cursor, request="middle")
    executor.send(executor.lease, Console(1, b"hello\n"))
    here.turn()
    executor.send(executor.lease, Console(1, b"again\n"))
    here.turn()
    assert [event.kind for event in told(here, "middle")] == ["console_printed", "console_printed"]
