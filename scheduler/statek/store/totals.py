"""How is it kept what all jobs together have used: by day, agent and model?

Sums over the ledger's events, kept in their transaction, so that nobody has to walk over 100,000 jobs to know them.
What retention deletes stays counted. Work of executors, and of models without a name, is counted under the model "".
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace
from datetime import UTC, date, datetime
from operator import attrgetter
from typing import Any, Final, TypeVar

from statek.core.events import (
    BatchEnded,
    Event,
    JobCreated,
    ReplyLost,
    TurnAnswered,
    TurnFailed,
    TurnUsage,
    UsageMetered,
)
from statek.store.records import Record, UnreadableRow, checksum, unpack_event

TABLES: Final = (
    """CREATE TABLE usage_totals(
        day INTEGER NOT NULL, agent TEXT NOT NULL, model TEXT NOT NULL, jobs INTEGER NOT NULL, batches INTEGER NOT NULL,
        failures INTEGER NOT NULL, cpu_seconds REAL NOT NULL, wall_seconds REAL NOT NULL, output_bytes INTEGER NOT NULL,
        calls INTEGER NOT NULL, turns INTEGER NOT NULL, input_tokens INTEGER NOT NULL, cached_tokens INTEGER NOT NULL,
        output_tokens INTEGER NOT NULL, cost_micros INTEGER NOT NULL, unpriced INTEGER NOT NULL,
        checksum INTEGER NOT NULL, PRIMARY KEY(day, agent, model)) WITHOUT ROWID""",
)
COUNTED: Final = tuple(
    event.kind for event in (JobCreated, UsageMetered, BatchEnded, TurnAnswered, ReplyLost, TurnFailed)
)
"""Kinds of events that are counted."""
Number = TypeVar("Number", int, float)

_DAY_US: Final = 86_400_000_000
_LARGEST: Final = 2**63 - 1

FROM: Final = "SELECT * FROM usage_totals WHERE day >= ? ORDER BY day, agent, model"
_ONE: Final = "SELECT * FROM usage_totals WHERE day = ? AND agent = ? AND model = ?"
_PUT: Final = f"INSERT OR REPLACE INTO usage_totals VALUES ({', '.join('?' * 17)})"  # noqa: S608 - ours
_AGENT: Final = "SELECT agent FROM jobs WHERE job = ?"
_EVENTS: Final = f"""SELECT e.cursor, j.agent, e.at_us, e.kind, e.body
    FROM events AS e JOIN jobs AS j ON j.number = e.job
    WHERE e.cursor > ? AND e.kind IN ({", ".join(f"'{kind}'" for kind in COUNTED)})
    ORDER BY e.cursor LIMIT 500"""  # noqa: S608 - constants of ours


@dataclass(frozen=True, slots=True)
class Used:
    """What was used, and for what."""

    jobs: int = 0
    """Jobs that were made."""
    batches: int = 0
    """Batches that came to their end."""
    failures: int = 0
    """Those among them that were not ok, and turns for which the model gave no reply."""
    cpu_seconds: float = 0.0
    wall_seconds: float = 0.0
    output_bytes: int = 0
    calls: int = 0
    turns: int = 0
    """Replies of a model."""
    input_tokens: int = 0
    cached_tokens: int = 0
    """Those among the input tokens that the provider had cached."""
    output_tokens: int = 0
    cost_micros: int = 0
    """Millionths of the price table's currency; replies without a price are not in it."""
    unpriced: int = 0
    """Replies for which there is no price."""

    def plus(self, other: Used) -> Used:
        """Add everything up; no sum goes beyond what a column can have, whatever a provider or an executor claims."""
        return Used(*map(_sum, _numbers(self), _numbers(other)))


def _sum(one: Number, more: Number) -> Number:
    """Add two numbers of one column up; the sum is of the column's type too, and never infinite or none at all."""
    return type(one)(max(-_LARGEST, min(one + more, _LARGEST)))


_numbers: Final[Callable[[Used], tuple[Any, ...]]] = attrgetter(*(field.name for field in fields(Used)))
"""Gives all of it in the order of the columns; `dataclasses.astuple` copies, and this is done for every event."""


@dataclass(frozen=True, slots=True)
class UsageTotal:
    """What the jobs of one agent used on one day, of one model, or (model "") of executors and unnamed ones."""

    day: date
    """In UTC."""
    agent: str
    """Empty for jobs of clients' own batches."""
    model: str
    used: Used


_Key = tuple[int, str, str]


def write(connection: sqlite3.Connection, records: Iterable[Record]) -> None:
    """Count some events, within the caller's transaction; their jobs are in the table. Raises `UnreadableRow`."""
    counted = (record for record in records if record.event.kind in COUNTED)
    _add(connection, ((_agent(connection, record.job), record.at_us, record.event) for record in counted))


def make_anew(connection: sqlite3.Connection) -> None:
    """Count all events that are there, within the caller's transaction; raises `UnreadableRow`."""
    connection.execute("DELETE FROM usage_totals")
    after = 0
    while rows := connection.execute(_EVENTS, (after,)).fetchall():
        _add(connection, ((agent, at_us, unpack_event(kind, body)) for _, agent, at_us, kind, body in rows))
        after = rows[-1][0]


def first_day(since: date | None) -> int:
    """Return the number of a day, by which the rows are sorted."""
    return 0 if since is None else (since - date(1970, 1, 1)).days


def total(row: tuple[Any, ...]) -> UsageTotal:
    """Read a row; raises `UnreadableRow`."""
    day, agent, model, *numbers = row[:-1]
    if checksum(*map(repr, row[:-1])) != row[-1]:
        raise UnreadableRow("it does not have its checksum")
    when = datetime.fromtimestamp(day * _DAY_US / 1_000_000, UTC).date()
    return UsageTotal(when, agent, model, Used(*numbers))


def _agent(connection: sqlite3.Connection, job: str) -> str:
    return str(connection.execute(_AGENT, (job,)).fetchone()[0])


def _add(connection: sqlite3.Connection, found: Iterable[tuple[str, int, Event]]) -> None:
    """Sum up first: a turn of the loop has many events of few agents."""
    sums: dict[_Key, Used] = {}
    for agent, at_us, event in found:
        key = (at_us // _DAY_US, agent, _model(event))
        sums[key] = sums.get(key, Used()).plus(_used(event))
    connection.executemany(_PUT, [_row(key, _so_far(connection, key).plus(used)) for key, used in sums.items()])


def _so_far(connection: sqlite3.Connection, key: _Key) -> Used:
    row = connection.execute(_ONE, key).fetchone()
    return Used() if row is None else total(row).used


def _row(key: _Key, used: Used) -> tuple[Any, ...]:
    columns = (*key, *_numbers(used))
    return *columns, checksum(*map(repr, columns))


def _model(event: Event) -> str:
    """Name the model in text that SQLite takes: the name is a provider's, and may have lone surrogates."""
    return event.model.encode(errors="backslashreplace").decode() if isinstance(event, TurnAnswered | ReplyLost) else ""


def _used(event: Event) -> Used:
    match event:
        case JobCreated():
            return Used(jobs=1)
        case UsageMetered(usage=usage):
            return Used(
                cpu_seconds=usage.cpu_seconds,
                wall_seconds=usage.wall_seconds,
                output_bytes=usage.output_bytes,
                calls=usage.calls,
            )
        case BatchEnded():
            return Used(batches=1, failures=int(event.outcome != "ok"))
        case TurnAnswered(usage=spent):
            return replace(_spent(spent), turns=1)
        case ReplyLost(usage=spent):
            return _spent(spent)
        case TurnFailed():
            return Used(failures=1)
        case _:
            return Used()


def _spent(spent: TurnUsage) -> Used:
    """Count what a reply used, whatever became of it."""
    return Used(
        input_tokens=spent.input_tokens,
        cached_tokens=spent.cached_tokens,
        output_tokens=spent.output_tokens,
        cost_micros=spent.cost_micros or 0,
        unpriced=int(spent.cost_micros is None),
    )
