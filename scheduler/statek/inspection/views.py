"""A job with the fields that the seeds name, as the ledger has them; its logs are read when they are asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

from statek.core.events import JobCreated, JobSuspended, LeaseGranted, PolicyChanged, PolicyViolated
from statek.core.harness import standing
from statek.core.jobs import Conversation, Job, JobStatus, Outcome
from statek.core.jobs import Usage as Metered
from statek.inspection import console
from statek.inspection.chat_log import ChatItem, chat_page
from statek.inspection.console import Printed, printed_page
from statek.inspection.shapes import AwaitedResult, JobUsage, LedgerSource, Page, Violation, instant
from statek.inspection.tool_log import ToolLogItem, tool_page
from statek_protocol.messages.interpreter import GuestError, LimitBreach

if TYPE_CHECKING:
    from statek.inspection.story import StoryItem

T = TypeVar("T")

_PAGE: Final = 500


class PyEnvView:
    """The job's Python environment as far as it can be looked at from outside."""

    def __init__(self, source: LedgerSource, job: JobView) -> None:
        self._source = source
        self._job = job

    @property
    def console(self) -> list[str]:
        """Return the printed lines and our notices, in order, without their line ends."""
        with self._source.reading() as ledger:
            return console.console(ledger, self._job.name)

    def console_of(self, batch: int) -> list[str]:
        """Return those of one batch."""
        with self._source.reading() as ledger:
            return console.console_of(ledger, self._job.name, batch)

    @property
    def push_log(self) -> dict[int, list[str]]:
        """Return the pushed messages by how many lines the job had printed when they came, in order."""
        with self._source.reading() as ledger:
            return console.push_log(ledger, self._job.name)

    @property
    def exit_status(self) -> str | None:
        """Return what `exit()`, or the model's last words, ended the job with."""
        return self._job.exit_status


class JobView:
    """One job as it stood when the view was made; its logs are read when they are asked for, as they are then."""

    def __init__(self, source: LedgerSource, job: Job) -> None:
        self._source = source
        self._state = job
        self.py_env = PyEnvView(source, self)

    def __repr__(self) -> str:
        job = self._job
        return f"<job {job.job}: {job.status}{f', {job.outcome}' if job.outcome else ''}>"

    @property
    def _job(self) -> Job:
        """What the fields are read from."""
        return self._state

    # from its state

    @property
    def name(self) -> str:
        """Return its name, which is its uuid."""
        return self._state.job

    uuid = job = name

    @property
    def agent(self) -> str:
        """Return the agent whose job it is; empty for a job of a client's own batches."""
        return self._job.agent

    @property
    def parent(self) -> str:
        """Return the job whose subtask it is; empty for none."""
        return self._job.parent

    @property
    def status(self) -> JobStatus:
        return self._job.status

    @property
    def outcome(self) -> Outcome | None:
        """Return how it ended; None as long as it is under way."""
        return self._job.outcome

    @property
    def exit_status(self) -> str | None:
        """Return what `exit()`, or the model's last words, ended the job with; None where nothing did."""
        return self._job.exit_status

    @property
    def error(self) -> GuestError | None:
        """Return the error that ended it, or its last batch: type, message, line."""
        return self._job.error

    @property
    def limit(self) -> LimitBreach | None:
        """Return the limit that ended it, or its last batch: name, allowed, used."""
        return self._job.limit

    @property
    def next_instr_num(self) -> int:
        """Return the top-level statement that execution goes on with; 0 between two batches."""
        job = self._job
        if job.awaited is not None:
            return job.awaited.instruction
        return job.running.instruction if job.running is not None else 0

    @property
    def batches(self) -> int:
        return self._job.batches

    @property
    def num_turns(self) -> int:
        """Return how often the model was asked for a reply; repetitions after a crash are not counted."""
        return self._talk.turn

    @property
    def num_completions(self) -> int:
        """Return how often the job was revived after its end."""
        return self._talk.completions

    @property
    def num_exceptions(self) -> int:
        """Return how many replies could not be used, or had code that did not end as it should."""
        return self._talk.exceptions

    @property
    def bounds(self) -> list[LimitBreach]:
        """Return the bounds of its conversation: name, what each allows by now, and what was used of it."""
        return list(standing(self._talk)) if self._job.conversation is not None else []

    @property
    def held(self) -> int | None:
        """Return the batch whose violation the job is held for, until a person decides."""
        return self._job.held

    @property
    def closed(self) -> bool:
        """Tell whether it was ended for a violation: no further batch is taken."""
        return self._job.closed

    @property
    def transient(self) -> list[str]:
        """Name the variables that the last checkpoint does not keep."""
        return [value.name for value in self._job.transient]

    @property
    def usage(self) -> JobUsage:
        job = self._job
        used: Metered = job.usage if job.running is None else job.usage.plus(job.running.usage)
        talk = job.conversation or Conversation()
        return JobUsage(
            used.cpu_seconds,
            used.wall_seconds,
            used.peak_memory_bytes,
            used.output_bytes,
            used.calls,
            talk.input_tokens,
            talk.cached_tokens,
            talk.output_tokens,
            talk.cost_micros,
            talk.unpriced,
        )

    @property
    def _talk(self) -> Conversation:
        return self._job.conversation or Conversation()

    # read when it is asked for

    @property
    def created_us(self) -> int:
        with self._source.reading() as ledger:
            return ledger.begun_us(self.name)

    @property
    def changed_us(self) -> int:
        with self._source.reading() as ledger:
            return ledger.changed_us(self.name)

    @property
    def created(self) -> datetime:
        return instant(self.created_us)

    @property
    def changed(self) -> datetime:
        return instant(self.changed_us)

    @property
    def children(self) -> list[str]:
        """Name its subtasks, in the order in which they were started."""
        with self._source.reading() as ledger:
            return ledger.children(self.name)

    @property
    def policy_name(self) -> str:
        return str(getattr(self._last((JobCreated.kind, PolicyChanged.kind)), "policy_name", ""))

    @property
    def executor(self) -> str:
        """Return who holds the job; empty while nobody does."""
        return str(getattr(self._last((LeaseGranted.kind,)), "executor", "")) if self._job.leased else ""

    @property
    def host(self) -> str:
        return str(getattr(self._last((LeaseGranted.kind,)), "host", "")) if self._job.leased else ""

    @property
    def awaited_result(self) -> AwaitedResult | None:
        """Return what it stands still for; None where it does not."""
        job = self._job
        awaited = job.awaited
        entry = None if awaited is None else job.future(awaited.future.number)
        if awaited is None or entry is None:
            return None
        with self._source.reading() as ledger:
            trouble = ledger.future_troubled(self.name, entry.number)
        suspended = self._last((JobSuspended.kind,))
        return AwaitedResult(
            entry.number,
            entry.shape,
            entry.function,
            entry.key,
            str(getattr(suspended, "awaits", "")) or str(entry),
            awaited.since_us,
            entry.deadline_us,
            "" if trouble is None else trouble.error,
            0 if trouble is None else trouble.failures,
        )

    @property
    def chat_log(self) -> list[ChatItem]:
        """Return what was said to the job, by its model and by its batches, in order."""
        return list(_whole(self.chat))

    @property
    def tool_log(self) -> list[ToolLogItem]:
        """Return the calls that its code made, in order."""
        return list(_whole(self.calls))

    @property
    def violations(self) -> list[Violation]:
        """Return what the policy refused, in order."""
        return list(_whole(self.refusals))

    def chat(self, after: int = 0, limit: int = 100) -> Page[ChatItem]:
        """Return entries of `chat_log` after a cursor."""
        with self._source.reading() as ledger:
            return _page(chat_page(ledger, self.name, after, limit))

    def story(self, after: int = 0, limit: int = 100) -> Page[StoryItem]:
        """Return what happened to it after a cursor: entries of its logs, its waits and its ends, in order."""
        from statek.inspection.story import story_page  # here, because plain speaks of this class

        with self._source.reading() as ledger:
            return _page(story_page(ledger, self.name, after, limit))

    def calls(self, after: int = 0, limit: int = 100) -> Page[ToolLogItem]:
        """Return entries of `tool_log` after a cursor."""
        with self._source.reading() as ledger:
            return _page(tool_page(ledger, self.name, after, limit))

    def printed(self, after: int = 0, limit: int = 1_000) -> Page[Printed]:
        """Return what was printed after a cursor."""
        with self._source.reading() as ledger:
            return _page(printed_page(ledger, self.name, after, limit))

    def refusals(self, after: int = 0, limit: int = 100) -> Page[Violation]:
        """Return entries of `violations` after a cursor."""
        with self._source.reading() as ledger:
            found = ledger.events(self.name, after, limit, (PolicyViolated.kind,))
        items = [
            Violation(stored.cursor, event.batch, event.rule, event.detail, event.line, event.layer)
            for stored in found
            if isinstance(event := stored.event, PolicyViolated)
        ]
        return _page((items, found[-1].cursor if len(found) == limit else None))

    def to_plain(self, *, logs: bool = True) -> dict[str, Any]:
        """Return all of it in a form that JSON has; without its logs where they are not wanted."""
        from statek.inspection.plain import plain_job  # here, because it speaks of this class

        with self._source.reading():
            return plain_job(self, logs=logs)

    def _last(self, kinds: tuple[str, ...]) -> object:
        """Return the newest event of some kinds, None where there is none."""
        with self._source.reading() as ledger:
            stored = ledger.last_event(self.name, kinds)
        return None if stored is None else stored.event


def _page(found: tuple[list[T], int | None]) -> Page[T]:
    items, after = found
    return Page(tuple(items), after)


def _whole(read: Callable[[int, int], Page[T]]) -> Iterator[T]:
    """Give all entries of a log, a page at a time."""
    after: int | None = 0
    while after is not None:
        page = read(after, _PAGE)
        yield from page.items
        after = page.after
