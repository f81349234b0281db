"""Whatever can happen to a job reads back from the ledger as it was written, for every kind of event there is."""

from __future__ import annotations

import dataclasses
import itertools
import types
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from statek.core.events import EVENTS, Event, FutureCreated
from statek.core.jobs import Digest, Job
from statek.store.errors import StoreDamaged
from statek.store.ledger import Ledger, Record
from statek.store.records import UnreadableRow, pack, unpack_event, unpack_job
from statek_protocol.schema import Bounds

LONGEST = 40
"""Enough to tell; the declared bounds reach megabytes."""


def values(cls: type) -> st.SearchStrategy[Any]:
    """Make instances of a dataclass from the types and bounds that it declares."""
    hints = get_type_hints(cls, include_extras=True)
    return st.builds(cls, **{field.name: value(hints[field.name]) for field in dataclasses.fields(cls)})


def value(hint: Any, bounds: Bounds = Bounds(0, LONGEST)) -> st.SearchStrategy[Any]:  # noqa: B008 - frozen
    origin, arguments = get_origin(hint), get_args(hint)
    if hint == Digest:  # never another's words: the ledger keeps them as text
        return st.text("0123456789abcdef", max_size=64)
    if origin is Annotated:
        return value(arguments[0], next((mark for mark in arguments[1:] if isinstance(mark, Bounds)), bounds))
    if origin in (Union, types.UnionType):
        return st.one_of(*(st.none() if kind is types.NoneType else value(kind, bounds) for kind in arguments))
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(value(arguments[0]), min_size=int(bounds.low), max_size=3).map(tuple)
    if origin is dict:
        return st.dictionaries(scalar(str, Bounds(0, LONGEST)), value(arguments[1]), max_size=3)
    if dataclasses.is_dataclass(hint):
        return values(hint)
    return scalar(hint, bounds)


def scalar(hint: Any, bounds: Bounds) -> st.SearchStrategy[Any]:
    low, high = int(bounds.low), min(int(bounds.high), LONGEST)
    if hint is int:
        return st.integers(low, int(bounds.high))
    if hint is str:  # with NULs and lone surrogates
        return st.text(st.characters(), min_size=low, max_size=high)
    if hint is bytes:
        return st.binary(min_size=low, max_size=high)
    return {bool: st.booleans(), float: st.floats(allow_nan=False)}[hint]


@pytest.mark.parametrize("cls", EVENTS.values(), ids=EVENTS)
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_an_event_reads_back_as_it_was_written(cls: type[Event], data: st.DataObject) -> None:
    event = data.draw(values(cls))
    assert unpack_event(event.kind, pack(event)) == event


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(job=values(Job))
def test_a_job_reads_back_as_it_was_written(job: Job) -> None:
    assert unpack_job(pack(job)) == job


@settings(max_examples=300, deadline=None)
@given(data=st.binary(max_size=200), kind=st.sampled_from(sorted(EVENTS)))
def test_bytes_that_are_no_event_are_told_and_never_guessed(data: bytes, kind: str) -> None:
    try:
        event = unpack_event(kind, data)
    except UnreadableRow:
        return
    assert unpack_event(kind, pack(event)) == event


def test_every_kind_of_event_passes_through_a_ledger_on_disk(ledger: Ledger) -> None:
    jobs = (f"job-{number}" for number in itertools.count())  # a job is forgotten once

    def check(event: Event) -> None:
        assume(not isinstance(event, FutureCreated) or event.key.isprintable())  # `checked_key` lets no other pass
        job = next(jobs)
        cursors = ledger.append([Record(job, 5, event)], [Job(job, "digest")], {})
        [read] = ledger.events(job, cursors.start - 1)
        assert read.event == event

    for cls in EVENTS.values():
        settings(max_examples=10)(given(values(cls))(check))()
    ledger.verify()


def test_an_event_of_an_unknown_kind_names_its_cursor(ledger: Ledger) -> None:
    class Unheard(Event):
        kind = "unheard"

    unheard = dataclasses.make_dataclass("Unheard", [], bases=(Unheard,), frozen=True)()
    ledger.append([Record("job", 1, unheard)], [Job("job", "digest")], {})
    with pytest.raises(StoreDamaged, match="event 1 cannot be read: unknown kind of event 'unheard'"):
        ledger.events(None)
