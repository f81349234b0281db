"""What a client makes of the events of its job: its own batches count, those of others do not."""

from __future__ import annotations

import json

import pytest

from statek.cli.outcome import EXIT_STATUS, JobOutcome
from statek.core.events import (
    BatchEnded,
    BatchSkipped,
    BatchStarted,
    ConsolePrinted,
    Event,
    JobEnded,
    LeaseEnded,
    LeaseGranted,
    PolicyViolated,
    Progress,
    UsageMetered,
)
from statek.core.jobs import Usage
from statek_protocol import schema
from statek_protocol.messages.client import JobEvent
from statek_protocol.messages.interpreter import GuestError, LimitBreach, TransientValue


def fold(first: int, last: int, *events: Event) -> JobOutcome:
    outcome = JobOutcome("job", first, last)
    for cursor, event in enumerate(events, 1):
        outcome.take(JobEvent(cursor, event.kind, schema.dump(event)))
    return outcome


GRANTED = LeaseGranted("job.1", 1, "executor", "host")
RELEASED = LeaseEnded("job.1", 1, "the job ended", blamed=False)


def ended(batch: int, outcome: str = "ok", error: GuestError | None = None) -> BatchEnded:
    return BatchEnded(batch, outcome, error, None, (TransientValue("gen", "generator", "it runs"),))  # type: ignore[arg-type]


def test_an_ordinary_run_is_told_whole() -> None:
    outcome = fold(
        1,
        1,
        GRANTED,
        BatchStarted(1, 0, 0),
        ConsolePrinted(1, "output", b"hello \xed\xa0\x80\n"),
        ConsolePrinted(1, "notice", b"not kept\n"),
        PolicyViolated(1, "import", "os", 3, "compile"),
        UsageMetered(1, Usage(0.5, 1.0, 100, 5, 1)),
        UsageMetered(1, Usage(0.5, 1.0, 50, 5, 1)),
        ended(1),
        JobEnded("ok"),
        RELEASED,
    )
    told = json.loads(json.dumps(outcome.as_json()))
    assert outcome.ended
    assert outcome.exit_status == 0
    assert (told["status"], told["outcome"], told["transient"]) == ("DONE", "ok", ["gen"])
    assert told["console"] == "hello \\xed\\xa0\\x80\n"
    assert told["violations"] == [{"rule": "import", "detail": "os", "line": 3, "layer": "compile"}]
    assert (told["usage"]["cpu_seconds"], told["usage"]["peak_memory_bytes"]) == (1.0, 100)


@pytest.mark.parametrize(("name", "status"), EXIT_STATUS.items())
def test_the_exit_status_is_that_of_the_last_batch_which_ran(name: str, status: int) -> None:
    error = GuestError("ValueError", "bad", 2)
    outcome = fold(1, 3, GRANTED, ended(1), ended(2, name, error), BatchSkipped(3), JobEnded(name), RELEASED)  # type: ignore[arg-type]
    assert outcome.exit_status == status
    assert outcome.error == {"type": "ValueError", "message": "bad", "line": 2, "batch": 2}


def test_batches_of_others_before_it_are_not_its_own() -> None:
    outcome = fold(2, 2, ConsolePrinted(1, "output", b"theirs"), ended(1, "error"), BatchStarted(2, 0, 0))
    assert not outcome.ended
    assert (bytes(outcome.console), outcome.outcome) == (b"", None)


def test_it_has_ended_when_a_batch_of_others_after_it_begins() -> None:
    outcome = fold(1, 1, ended(1), BatchStarted(2, 0, 0), ConsolePrinted(2, "output", b"theirs"), ended(2, "error"))
    assert outcome.ended
    assert (bytes(outcome.console), outcome.outcome) == (b"", "ok")


def test_a_lease_that_is_lost_on_the_way_is_no_end() -> None:
    assert not fold(1, 1, GRANTED, BatchStarted(1, 0, 0), LeaseEnded("job.1", 1, "died", blamed=True)).ended


def test_a_limit_is_told_with_its_numbers() -> None:
    breach = BatchEnded(1, "limit", None, LimitBreach("cpu_seconds", 5.0, 6.5))
    assert fold(1, 1, breach, JobEnded("limit")).limit == {"name": "cpu_seconds", "allowed": 5.0, "used": 6.5}


def test_a_limit_is_told_with_what_had_been_printed_and_done() -> None:
    done = Progress(80, 3, 3, {"ask": 2, "time.sleep": 1}, 4)
    breach = BatchEnded(1, "limit", None, LimitBreach("calls", 2.0, 3.0), (), done)
    outcome = fold(1, 1, breach, JobEnded("limit"))
    assert outcome.as_json()["limit"] == {
        "name": "calls",
        "allowed": 2.0,
        "used": 3.0,
        "printed_bytes": 80,
        "printed_lines": 3,
        "calls": 3,
        "instruction": 4,
        "calls_by_name": {"ask": 2, "time.sleep": 1},
    }
    assert outcome.progress == ", after 3 lines (80 bytes) of output and 3 calls (ask 2, time.sleep 1)"
