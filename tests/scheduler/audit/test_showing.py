"""What people ask for and what they are shown: times, kinds, and one line for each record that nobody can fake."""

from __future__ import annotations

import datetime
import json
import time

import pytest
from audit_stores import Store
from hypothesis import given
from hypothesis import strategies as st
from loop_stand import Stand

from statek.audit.chain import record_hash
from statek.audit.lines import line_of, time_of
from statek.audit.query import Query, QueryError, checked_kinds, parse_time
from statek.audit.records import AuditRecord, canonical
from statek.store.audit_reader import AuditReader

NOW = 1_800_000_000_000_000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("90s", NOW - 90_000_000),
        ("10m", NOW - 600_000_000),
        ("2h", NOW - 7_200_000_000),
        ("1.5d", NOW - 129_600_000_000),
        ("1w", NOW - 604_800_000_000),
        ("2030-01-31T12:00:00Z", 1_896_091_200_000_000),
        ("2030-01-31T12:00:00.000001+00:00", 1_896_091_200_000_001),
        ("2030-01-31T14:00+02:00", 1_896_091_200_000_000),
    ],
)
def test_a_time_is_iso_8601_or_how_long_ago(text: str, expected: int) -> None:
    assert parse_time(text, NOW) == expected


def test_a_time_without_an_offset_is_one_of_this_machine() -> None:
    local = datetime.datetime(2030, 1, 31, 12)
    assert parse_time("2030-01-31T12:00:00", NOW) == int(time.mktime(local.timetuple())) * 1_000_000
    assert parse_time("2030-01-31", NOW) == parse_time("2030-01-31T00:00", NOW)


@pytest.mark.parametrize(
    "text", ["", "now", "10", "-5m", "5y", "1e5s", "99999999999d", "2030-13-01", "٣h", "1m\n", "9999999w"]
)
def test_what_is_no_time_is_told_with_what_is(text: str) -> None:
    with pytest.raises(QueryError, match="ISO 8601"):
        parse_time(text, NOW)


def test_the_longest_time_ago_can_be_asked_for(store: Store, here: Stand) -> None:
    with AuditReader.read(store.path) as reader:
        assert list(reader.select(Query(since_us=parse_time("999999w", NOW))))


def test_a_kind_that_there_is_not_is_told_with_the_nearest() -> None:
    assert checked_kinds(["kill", "limit"]) == {"kill", "limit"}
    with pytest.raises(QueryError, match="did you mean violation"):
        checked_kinds(["violations"])
    with pytest.raises(QueryError, match="there are agent_defined"):
        checked_kinds(["?"])


def test_records_are_selected_by_job_kind_time_and_number(filled: Store) -> None:
    everything = filled.records()
    job = next(record.job for record in everything if record.job)
    with AuditReader.read(filled.path) as reader:
        chosen = list(reader.select(Query(job, frozenset({"violation"}))))
        assert chosen == [r for r in everything if r.job == job and r.kind == "violation"]
        assert list(reader.select(Query(), limit=3)) == everything[-3:]
        middle = everything[len(everything) // 2].at_us
        assert list(reader.select(Query(since_us=middle))) == [r for r in everything if r.at_us >= middle]
        assert list(reader.select(Query(until_us=middle))) == [r for r in everything if r.at_us <= middle]
        assert list(reader.select(Query(), after=5)) == everything[5:]


def test_more_records_than_a_page_holds_are_all_selected(here: Stand, store: Store) -> None:
    for _ in range(1_200):
        here.loop.do(lambda tick: tick.note("scheduler_started", {}))
    here.turn()
    assert len(store.records()) == here.ledger.audit.head.sequence


def record(body: dict[str, object], job: str | None = None) -> AuditRecord:
    return AuditRecord(7, NOW, "violation", job, 3, bytes(32), canonical(body), bytes(32), bytes(32))


@given(st.text(max_size=40), st.text(max_size=40))
def test_no_text_of_a_guests_leaves_its_field(text: str, job: str) -> None:
    line = line_of(record({"rule": "r", "text": text}, job))
    assert line.isprintable()
    honest = line_of(record({"rule": "r", "text": "x"}, "job"))
    assert line.startswith(honest[: honest.index(" job ")])
    if any(char in text for char in ' ="'):
        assert ' text="' in line


def test_a_forged_field_or_record_in_a_text_is_seen_for_what_it_is() -> None:
    text = 'x outcome=ok\n     8  2027-01-15T08:00:00.000Z  kill  job-1  batch=1 \x1b[2K\u202e"'
    line = line_of(record({"batch": 1, "text": text}, "job-1"))
    assert line == (
        r"     7  2027-01-15T08:00:00.000Z  violation         job-1  batch=1 "
        r'text="x outcome=ok\n     8  2027-01-15T08:00:00.000Z  kill  job-1  batch=1 \u001b[2K\u202e\""'
    )


def test_what_is_nested_long_or_a_digest_is_shown_short() -> None:
    body = {"policy": {"hash": "ab" * 32, "name": "p"}, "layers": list("abcdef"), "few": ["a", "b c"], "none": None}
    assert line_of(record(body)).endswith('-  few=a,"b c" layers=(6) policy.hash=abababababab… policy.name=p')


@pytest.mark.parametrize("at_us", [-(10**30), 10**30, -1, 0])
def test_any_time_can_be_shown(at_us: int) -> None:
    assert time_of(at_us).isprintable()


def test_a_line_of_json_is_ascii_and_its_hash_can_be_computed_from_it(filled: Store) -> None:
    for kept in filled.records():
        line = kept.as_json()
        assert line.isascii()
        assert line.isprintable()
        value = json.loads(line)
        again = AuditRecord(
            value["sequence"],
            value["at_us"],
            value["kind"],
            value["job"],
            value["cursor"],
            None if value["event"] is None else bytes.fromhex(value["event"]),
            canonical(value["body"]),
            bytes.fromhex(value["previous"]),
            bytes.fromhex(value["hash"]),
        )
        assert record_hash(again).hex() == value["hash"]
