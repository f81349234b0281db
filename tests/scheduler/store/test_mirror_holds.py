"""The Job in dbzero shows that it is held, and for which batch, until a person decides, and whether it was ended."""

from __future__ import annotations

from collections.abc import Sequence

from store_mirrors import PATIENCE, mirror_of

from statek.core import holds
from statek.core.events import BatchEnded, BatchStarted, Event, JobHeld, LeaseGranted, PolicyViolated
from statek.core.evolve import evolve
from statek.core.jobs import Job
from statek.core.submissions import submit
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger, Record
from statek.store.mirror import Mirror

NAME = "job-0"
VIOLATED: Sequence[Event] = (
    LeaseGranted("job-0.1", 1, "executor", "host"),
    BatchStarted(1, 0, 0),
    PolicyViolated(1, "attribute.dunder", "no", 3, "runtime", "hold"),
    BatchEnded(1, "blocked", None, None),
    JobHeld(1),
)


def append(ledger: Ledger, job: Job | None, events: Sequence[Event], blobs: dict[str, bytes] | None = None) -> Job:
    for event in events:
        job = evolve(job, event)
    assert job is not None
    ledger.append([Record(NAME, 1, event) for event in events], [job], blobs or {})
    return job


def seen(mirror: Mirror, ledger: Ledger) -> tuple[str, str | None, int | None, bool]:
    """What an application reads of the job once the objects have caught up."""

    def read() -> tuple[str, str | None, int | None, bool]:
        from statek.store.objects import find_job

        job = find_job(NAME)
        assert job is not None
        return job.status, job.outcome, job.held, job.closed

    mirror.notify(ledger.last_cursor)
    assert mirror.wait_until(ledger.last_cursor, PATIENCE)
    found: tuple[str, str | None, int | None, bool] = mirror.submit(read).result(PATIENCE)
    return found


def test_a_hold_and_its_end_are_seen_in_the_objects(store: StoreDirectory, ledger: Ledger) -> None:
    events, blobs = submit(None, NAME, [("a", b"source")], ("test", b"policy"))
    job = append(ledger, append(ledger, None, events, blobs), VIOLATED)
    with mirror_of(store) as mirror:
        assert seen(mirror, ledger) == ("SUSPENDED", "blocked", 1, False)
        append(ledger, job, holds.decide(job, "end", "request").events)
        assert seen(mirror, ledger) == ("DONE", "blocked", None, True)


def test_a_released_job_is_seen_to_be_done_and_open(store: StoreDirectory, ledger: Ledger) -> None:
    events, blobs = submit(None, NAME, [("a", b"source")], ("test", b"policy"))
    job = append(ledger, append(ledger, None, events, blobs), VIOLATED)
    append(ledger, job, holds.decide(job, "release", "request").events)
    with mirror_of(store) as mirror:
        assert seen(mirror, ledger) == ("DONE", "blocked", None, False)
