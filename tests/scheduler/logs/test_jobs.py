"""What the log says about jobs follows from events that are durable, by a table."""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, get_args

import pytest
from loop_stand import Stand, finished, make_stand

from statek.core.agents import Harness
from statek.core.events import EVENTS, BatchEnded, Event, JobEnded, TurnUsage
from statek.core.jobs import Job, Outcome
from statek.logs.configuring import LogOptions, Logs
from statek.logs.jobs import line, tell_of
from statek.store.errors import StoreUnwritable
from statek.store.ledger import Ledger
from statek.store.records import Record
from statek_protocol.messages.interpreter import GuestError, LimitBreach, Run

ERROR = GuestError("ValueError", "boom\nINFO forged", 3)
LIMIT = LimitBreach("calls", 200, 201)


@pytest.fixture
def logs(tmp_path: Path) -> Iterator[Path]:
    """The lines about jobs go into files in this directory."""
    logger = logging.getLogger("statek.jobs")
    with Logs(LogOptions(level="DEBUG", format="json", directory=tmp_path / "logs"), logger):
        yield tmp_path / "logs"


def told(file: Path) -> list[dict[str, Any]]:
    return [json.loads(text) for text in file.read_text().splitlines()]


def example(kind: type[Event]) -> Event:
    """An event of that kind with something in each field."""
    special = {"error": ERROR, "limit": LIMIT, "usage": TurnUsage(), "outcome": "failed", "harness": Harness()}
    values = {
        field.name: special.get(field.name, 1 if "int" in str(field.type) or "Count" in str(field.type) else "text")
        for field in dataclasses.fields(kind)  # type: ignore[arg-type]
    }
    return kind(**values)


@pytest.mark.parametrize("kind", EVENTS.values(), ids=EVENTS)
def test_every_kind_of_event_can_be_told_and_takes_one_line(kind: type[Event], logs: Path) -> None:
    tell_of([Record("job-1", 0, example(kind))], {"job-1": Job("job-1", "policy", agent="dispatcher")})
    (service,) = told(logs / "statek.log")
    (own,) = told(logs / "dispatcher_job-1.log")
    assert service == own
    assert (own["job"], own["agent"]) == ("job-1", "dispatcher")
    assert own["event"]


def test_how_bad_an_end_is_says_its_level() -> None:
    levels = {
        "ok": "INFO",
        "cancelled": "INFO",
        "error": "WARNING",
        "blocked": "WARNING",
        "limit": "WARNING",
        "failed": "ERROR",
    }
    assert set(levels) == set(get_args(Outcome))
    for outcome, level in levels.items():
        for event in (BatchEnded(1, outcome, None, None), JobEnded(outcome)):  # type: ignore[arg-type]
            assert logging.getLevelName(line(event)[0]) == level


def test_an_end_says_why() -> None:
    assert line(BatchEnded(1, "error", ERROR, None))[1] == "batch ended: error: ValueError: boom\nINFO forged (line 3)"
    assert line(JobEnded("limit", limit=LIMIT))[1] == "job ended: limit: calls: 200 allowed, 201 used"


def test_what_a_job_ends_with_is_not_told() -> None:
    level, text, fields = line(JobEnded("ok", exit_status="what the model said last"))
    assert (level, text, fields) == (logging.INFO, "job ended: ok", {"outcome": "ok"})


def tell(scheduler: Stand) -> None:
    scheduler.loop.witnesses.append(lambda tick: tell_of(tick.records, tick.changed))


@contextmanager
def told_stand(path: Path) -> Iterator[Stand]:
    """A scheduler that tells of its jobs from the start."""
    with Ledger.open(path) as ledger:
        yield make_stand(ledger, prepare=tell)


def test_a_jobs_life_is_in_its_file_in_the_order_of_its_events(tmp_path: Path, logs: Path) -> None:
    with told_stand(tmp_path / "ledger") as scheduler:
        executor = scheduler.executor()
        job = scheduler.submitted(b"source").job
        executor.send(executor.lease, finished(executor.all(Run)[0]))
        scheduler.turn()
        assert scheduler.job(job).status == "DONE"
        lines = told(logs / f"_{job}.log")
        assert len(lines) == len(scheduler.events(job))
    texts = [record["event"].partition(":")[0] for record in lines if record["level"] != "DEBUG"]
    assert texts[:4] == ["job created", "batch submitted", "given to an executor", "batch started"]
    assert {"batch ended", "job ended", "lease ended"} <= set(texts)


def test_nothing_is_told_that_is_not_durable(tmp_path: Path, logs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def append(*_: object) -> range:
        raise StoreUnwritable(tmp_path, "no space left on device")

    with told_stand(tmp_path / "ledger") as scheduler:
        scheduler.submit(b"source")
        monkeypatch.setattr(Ledger, "append", append)
        with pytest.raises(StoreUnwritable):
            scheduler.turn()
    assert told(logs / "statek.log") == []


def test_a_start_tells_of_the_leases_that_it_ends(tmp_path: Path, logs: Path) -> None:
    with told_stand(tmp_path / "ledger") as scheduler:
        scheduler.executor()
        job = scheduler.submitted(b"source").job
    before = len(told(logs / f"_{job}.log"))
    with told_stand(tmp_path / "ledger"):
        events = [record["event"] for record in told(logs / f"_{job}.log")[before:]]
    assert events == ["lease ended: the scheduler started anew"]
