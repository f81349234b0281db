"""All conversations of a sweep: begun, watched, and judged when they have ended."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections import Counter, defaultdict
from typing import Any, Final

from crashsweep.account import Account
from crashsweep.batches import traces
from crashsweep.field import Field
from crashsweep.talks.author import Author
from crashsweep.talks.errands import Errand, Lines, Report, errands_file, reports_file
from crashsweep.talks.judging import Case, judge
from crashsweep.talks.record import Record
from crashsweep.talks.tale import FAMILY
from crashsweep.talks.telling import Telling, Wish
from crashsweep.told import every_job
from statek.core.events import JobCreated
from statek.core.jobs import Job
from statek.inspection.store_view import StoreView
from statek.store import by_reference, given
from statek.store.history import History
from statek.store.records import Stored

OBJECTS_SECONDS: Final = 120.0
_PAGE: Final = 1_000


class Tales:
    """So many are under way at any time, with their children."""

    def __init__(self, field: Field, account: Account, author: Author, at_once: int) -> None:
        self._field, self._account, self._author, self._at_once = field, account, author, at_once
        self._tellings: dict[int, Telling] = {}
        """Those under way, by number."""
        self._jobs: defaultdict[int, list[str]] = defaultdict(list)
        """The jobs that each tale became."""
        self._numbers = itertools.count(account.seed * 10_000 + 1)
        self._errands = itertools.count(1)
        self._asked_for: dict[int, tuple[Errand, Telling]] = {}
        self._results: dict[int, Any] = {}
        self._wanted = Lines(errands_file(field.directory))
        self._reports = Lines(reports_file(field.directory))
        self._cursor = 0
        self._closed = False
        self._usage: Counter[str] = Counter()

    @property
    def under_way(self) -> int:
        return len(self._tellings)

    def close(self) -> None:
        """Begin none any more."""
        self._closed = True

    def feed(self) -> None:
        """Begin what there is room for, and see to what is under way."""
        families = sum(not telling.tale.is_child for telling in self._tellings.values())
        for _ in range(0 if self._closed else self._at_once - families):
            telling = self._add(next(self._numbers) * FAMILY)
            for wish in telling.begin():
                self._wish(telling, wish)
        with History.read(self._field.ledger) as history:
            self._take_reports()
            self._find_jobs(history)
            for telling in list(self._tellings.values()):
                job = history.job(telling.job) if telling.job else None
                if job is not None:
                    for wish in telling.wishes(job):
                        self._wish(telling, wish)

    def collect(self) -> None:
        """Judge the families that have ended."""
        with History.read(self._field.ledger) as history:
            self._take_reports()
            self._find_jobs(history)
            for telling in [telling for telling in self._tellings.values() if not telling.tale.is_child]:
                family = self._family(telling)
                if all(self._has_ended(history, member) for member in family):
                    self._judge(history, family)

    def miss(self) -> None:
        """Tell of conversations that have not ended, though nothing has disturbed them for so long."""
        with History.read(self._field.ledger) as history:
            for telling in self._tellings.values():
                job = history.job(telling.job) if telling.job else None
                if job is None or not telling.has_ended(job):
                    stands = f"{job.status} {job.outcome} {job.conversation} {job.awaited}" if job else "no job"
                    waits = [self._asked_for[number][0] for number in telling.errands]
                    self._account.outcomes["never ended"] += 1
                    self._account.fail(f"{telling} does not end: {stands}; not done: {waits}")

    def check(self) -> None:
        """Hold the queues, the sums of usage and dbzero's objects against the ledger."""
        with History.read(self._field.ledger) as history:
            for depth in history.queue_depths():
                self._account.fail(f"the queue {depth.queue!r} has {depth.waiting} items and {depth.dead} dead letters")
        for number, jobs in self._jobs.items():
            if len(jobs) != 1:
                self._account.fail(f"tale {number} became the jobs {jobs}")
        self._account.events["tales, each of them one job"] += len(self._jobs)
        for fault, count in self._author.faults.items():
            self._account.events[f"faults of the model: {fault}"] += count
        for stray in self._author.strays:
            self._account.fail(f"the model was asked for no tale: {stray!r}")
        self._check_totals()
        self._check_objects()

    def _check_totals(self) -> None:
        view = StoreView(self._field.store)
        jobs = [job for job in every_job(view) if job.agent]
        totals = view.usage()
        pairs = {
            "input tokens": (sum(t.used.input_tokens for t in totals), sum(j.usage.input_tokens for j in jobs)),
            "output tokens": (sum(t.used.output_tokens for t in totals), sum(j.usage.output_tokens for j in jobs)),
        }
        for what, (total, of_jobs) in pairs.items():
            self._account.events[f"{what} of the model's, summed up the same"] += total
            if total != of_jobs:
                self._account.fail(f"the store has summed up {total} {what}, its jobs have {of_jobs}")

    def _check_objects(self) -> None:
        """Compare in a process of its own, which a broken store may kill."""
        command = [sys.executable, "-P", "-m", "crashsweep.talks.objects", str(self._field.store)]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=OBJECTS_SECONDS, check=False, env=self._field.environment
        )
        if done.returncode != 0:
            self._account.fail(f"dbzero's objects cannot be compared: {done.stderr[-800:]}")
            return
        found = json.loads(done.stdout)
        self._account.events["jobs whose dbzero objects equal the ledger"] += found["same"]
        for difference in found["differences"]:
            self._account.fail(f"dbzero's objects differ: {difference}")

    # what is under way

    def _add(self, number: int) -> Telling:
        telling = self._tellings[number] = Telling(number)
        return telling

    def _wish(self, telling: Telling, wish: Wish) -> None:
        errand = Errand(next(self._errands), wish.act, wish.target, wish.key, wish.value)
        telling.errands.add(errand.number)
        self._asked_for[errand.number] = (errand, telling)
        self._wanted.append(errand)
        self._account.events[f"errands: {wish.act}"] += 1

    def _take_reports(self) -> None:
        for line in self._reports.news():
            report = Report(**line)
            errand, telling = self._asked_for[report.errand]
            telling.errands.discard(report.errand)
            self._account.events["pushes that a full queue refused, made again"] += report.refusals
            if report.error:
                self._account.fail(f"{telling}: {errand}: {report.error}")
            elif errand.key and self._results.setdefault(report.errand, report.result) != report.result:
                was = self._results[report.errand]
                self._account.fail(f"{telling}: {errand} was answered with {was!r}, then with {report.result!r}")
            self._account.events["errands asked for again after they were acknowledged"] += report.again

    def _find_jobs(self, history: History) -> None:
        """Learn which tales have become jobs since the last look."""
        while page := history.events(None, self._cursor, _PAGE, (JobCreated.kind,)):
            for stored in page:
                self._cursor = stored.cursor
                self._take_job(history, stored)

    def _take_job(self, history: History, stored: Stored) -> None:
        event = stored.event
        assert isinstance(event, JobCreated)
        if not event.given:
            return
        number = _tale_in(history.blob(event.given))
        self._jobs[number].append(stored.job)
        telling = self._tellings.get(number) or self._add(number)
        telling.job = telling.job or stored.job

    # what has ended

    def _family(self, parent: Telling) -> list[Telling]:
        """Return a conversation and the children that it has so far."""
        number = parent.tale.number
        return [self._tellings[n] for n in sorted(self._tellings) if number <= n < number + FAMILY]

    def _has_ended(self, history: History, telling: Telling) -> bool:
        job: Job | None = history.job(telling.job) if telling.job else None
        known = {member.job for member in self._family(telling)}
        return job is not None and telling.has_ended(job) and known.issuperset(history.children(telling.job))

    def _judge(self, history: History, family: list[Telling]) -> None:
        parent = family[0]
        records = {telling.tale.number: Record.read(history, telling.job) for telling in family}
        for telling in family:
            number = telling.tale.number
            children = {n: record for n, record in records.items() if n != number} if telling is parent else {}
            case = Case(
                telling.tale,
                records[number],
                self._author.asked(number),
                telling.notes,
                traces(self._field, telling.job),
                children,
                chat=StoreView(self._field.store).job(telling.job).chat_log,
                cancelled=telling.cancelled or parent.cancelled,
            )
            verdict = judge(case)
            self._account.outcomes[verdict.outcome] += 1
            self._account.events.update(verdict.seen)
            for problem in verdict.problems:
                self._account.fail(f"{telling}: {problem}")
            del self._tellings[number]


def _tale_in(blob: bytes) -> int:
    """Read the number of the tale in the variables that a job starts with."""
    _, variables = by_reference.read(blob, max_bytes=given.GIVEN_BYTES, max_depth=given.GIVEN_DEPTH)
    assert isinstance(variables, dict)
    return int(variables["event"]["tale"])
