"""Nobody who is refused can fill the log: beyond an allowance attempts are counted, and the count is on record."""

from __future__ import annotations

from collections import Counter

import pytest
from audit_stores import Store, submitted
from loop_stand import Stand, finished, stand

from statek.audit.allowances import NOTES, REFUSALS, Allowance
from statek.store.audit_reader import AuditReader
from statek_protocol.messages.client import Follow
from statek_protocol.messages.executor import Stamp
from statek_protocol.messages.interpreter import Call, Console, Run, Violated

ATTEMPTS = 1_000


def violate(here: Stand, attempts: int = ATTEMPTS) -> str:
    """Have a guest try what is forbidden, again and again; returns its job."""
    executor = here.executor()
    job = submitted(here)
    for number in range(attempts):
        executor.send(executor.lease, Violated(1, "attribute.dunder", f"attempt {number}", 1, "runtime"))
        if number % 100 == 0:
            here.turn()
    here.turn()
    return job


def test_violations_without_end_are_counted_and_the_count_is_recorded(here: Stand, store: Store) -> None:
    job = violate(here)
    executor_lease = here.loop.leases.of_executor(next(iter(here.loop.executors)))[0]
    told = store.records("violation", job=job)
    assert REFUSALS.burst <= len(told) < REFUSALS.burst + 20
    here.loop.do(lambda tick: here.loop.leases.end(tick, executor_lease, "enough", blamed=False))
    here.turn()
    [counted] = store.records("counted", job=job)
    assert counted.said["counts"] == {"violation": ATTEMPTS - len(store.records("violation", job=job))}
    assert counted.sequence < store.records("lease_ended", job=job)[0].sequence
    assert store.verdict(head_file=True).fault is None


def test_denied_calls_without_end_are_counted_and_allowed_ones_are_all_told(here: Stand, store: Store) -> None:
    executor = here.executor()
    job = submitted(here)
    for number in range(150):
        executor.send(executor.lease, Call(1, number, "forbidden", b""))
        here.turn()
    executor.send(executor.lease, Call(1, 150, "search", b"the one that matters"))
    here.turn()
    [allowed] = store.records("call_allowed", job=job)
    assert (allowed.said["number"], allowed.said["argument_bytes"]) == (150, 20)
    counts: Counter[str] = Counter()
    for counted in store.records("counted", job=job):
        counts.update(counted.said["counts"])
        assert counted.sequence < allowed.sequence
    assert counts["call_denied"] + len(store.records("call_denied", job=job)) == 150
    assert counts["violation"] + len(store.records("violation", job=job)) == 150
    assert store.verdict().fault is None


def test_what_a_killed_scheduler_had_counted_is_told_by_the_next_one(store: Store) -> None:
    with stand(store.path) as killed:
        job = violate(killed)
        assert not store.records("counted")
        assert store.verdict().fault is None, "a job that has a lease may have refusals that are still counted"
    with stand(store.path):
        pass
    [counted] = store.records("counted", job=job)
    assert counted.said["counts"]["violation"] + len(store.records("violation", job=job)) == ATTEMPTS
    assert store.verdict(head_file=True).fault is None


def test_a_count_that_was_changed_with_its_hash_is_named(store: Store) -> None:
    with stand(store.path) as killed:
        violate(killed, 200)
    with stand(store.path):
        pass
    [counted] = store.records("counted")
    body = counted.body.replace('"violation":', '"violation":1')
    store.tamper("UPDATE audit SET body = :body WHERE kind = 'counted'", body=body)
    with AuditReader.read(store.path) as reader:
        changed = list(reader.chain())
    assert changed
    fault = store.verdict().fault
    assert fault is not None
    assert (fault.what, fault.sequence) == ("changed", counted.sequence)


def test_refused_messages_without_end_are_counted(here: Stand, store: Store) -> None:
    executor = here.executor()
    submitted(here)
    stale = Stamp("job.1", 7, 1)
    for _ in range(ATTEMPTS):
        executor.send(stale, Console(1, b"from another epoch"))
        here.pool.on_frames(b"nobody", [b"not msgpack"])
        here.clients.on_frames(b"client", [b"not msgpack"])
    here.turn()
    for kind in ("message_refused", "client_refused"):
        codes = Counter(record.said["code"] for record in store.records(kind))
        assert all(NOTES.burst <= count < NOTES.burst + 20 for count in codes.values()), codes
    assert here.loop.refused["stale"] == ATTEMPTS
    here.loop.stopped()
    counts: Counter[str] = Counter()
    for counted in store.records("counted"):
        counts.update(counted.said["counts"])
    told = Counter(f"{r.kind}:{r.said['code']}" for r in store.records("message_refused", "client_refused"))
    assert set((counts + told).values()) == {ATTEMPTS}
    assert store.verdict().fault is None


def test_counts_of_refused_messages_are_told_when_they_are_old_enough(here: Stand, store: Store) -> None:
    for _ in range(ATTEMPTS):
        here.ask(Follow("request", "no such job", 0))
    here.loop.do(here.loop.tell_counted)
    here.turn()
    assert not store.records("counted"), "it began just now"
    tick = here.loop._new_tick()
    tick.at_us += 60_000_000
    here.loop.tell_counted(tick)
    tick.commit(here.ledger)
    [counted] = store.records("counted")
    assert list(counted.said["counts"]) == ["client_refused:unknown_job"]


def test_executors_that_come_and_go_without_end_are_counted(here: Stand, store: Store) -> None:
    executor = here.executor()
    for _ in range(ATTEMPTS):
        executor.hello()
    here.turn()
    assert len(store.records("executor_joined")) < NOTES.burst + 20
    assert len(store.records("executor_left")) < NOTES.burst + 20


@pytest.mark.parametrize("steps", [[0], [1_000_000] * 5, [-(10**12), 10**12]])
def test_an_allowance_gives_no_more_than_its_burst_whatever_the_clock_does(steps: list[int]) -> None:
    allowance = Allowance.full(REFUSALS, 0)
    now = 0
    for step in steps:
        now += step
        assert sum(allowance.take(now) for _ in range(10 * REFUSALS.burst)) <= REFUSALS.burst


def test_an_allowance_comes_back_with_time() -> None:
    allowance = Allowance.full(REFUSALS, 0)
    while allowance.take(0):
        pass
    assert not allowance.take(900_000)
    assert allowance.take(2_000_000)


def test_a_lease_begins_with_a_full_allowance(here: Stand, store: Store) -> None:
    job = violate(here, REFUSALS.burst)
    held = here.loop.leases.of_executor(next(iter(here.loop.executors)))[0]
    here.loop.do(lambda tick: here.loop.leases.end(tick, held, "again", blamed=False))
    here.turn()
    executor = here.executor("b")
    for number in range(REFUSALS.burst + 10):
        executor.send(executor.lease, Violated(1, "attribute.dunder", f"attempt {number}", 1, "runtime"))
    executor.send(executor.lease, finished(executor.all(Run)[-1]))
    here.turn()
    assert len(store.records("violation", job=job)) >= REFUSALS.burst
    assert store.verdict().fault is None
