"""Executors that are new, old, silent, confused or hostile: nothing that they send stops the loop or another's job."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loop_stand import LAYERS, FakeExecutor, Stand, finished, stand

from statek.calls.offered import Offered
from statek.core.events import LeaseEnded, LeaseGranted
from statek.core.jobs import ATTEMPTS_LIMIT
from statek.loop.loop import HEARTBEATS_MISSED, LEASE_SECONDS
from statek_policies import Policy
from statek_protocol.codec import encode
from statek_protocol.messages.base import Message
from statek_protocol.messages.client import NewBatch, Refused, Submit
from statek_protocol.messages.executor import (
    Drain,
    Goodbye,
    Grant,
    Hello,
    Lost,
    Metered,
    Pong,
    Pull,
    Rejected,
    Release,
    Stamp,
    Unknown,
    Welcome,
)
from statek_protocol.messages.interpreter import (
    Call,
    Checkpoint,
    Console,
    Failed,
    Finished,
    GuestError,
    LimitBreach,
    Observed,
    Run,
    Segment,
    Snapshot,
    TransientValue,
    Violated,
)
from statek_protocol.version import PROTOCOL_VERSION


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Stand]:
    with stand(tmp_path / "ledger") as made:
        yield made


def ends(here: Stand, job: str) -> list[tuple[str, bool]]:
    return [(event.reason, event.blamed) for event in here.events(job) if isinstance(event, LeaseEnded)]


def leased(here: Stand) -> tuple[str, FakeExecutor]:
    executor = here.executor()
    return here.submitted().job, executor


# who is there


def test_a_hello_is_answered_with_what_is_expected(here: Stand) -> None:
    [welcome] = here.executor().all(Welcome)
    assert welcome.lease_seconds == LEASE_SECONDS


def test_another_version_is_refused_with_the_way_out(here: Stand) -> None:
    executor = FakeExecutor(here.pool, here.executors, b"old")
    executor.say(Hello(PROTOCOL_VERSION + 1, "0", "executor", "host", 1, LAYERS))
    here.turn()
    [rejected] = executor.all(Rejected)
    assert "install the same STATEK release" in rejected.reason
    assert len(here.loop.executors) == 0


@pytest.mark.parametrize("message", [Pull(1), Goodbye()])
def test_who_never_said_hello_is_told_to(here: Stand, message: Message) -> None:
    executor = FakeExecutor(here.pool, here.executors, b"stranger")
    executor.say(message)
    here.turn()
    assert executor.all(Unknown)
    assert here.loop.refused["unknown_executor"] == 1


def test_a_second_hello_begins_anew_and_the_job_goes_to_somebody(here: Stand) -> None:
    job, executor = leased(here)
    executor.hello()
    here.turn()
    assert ends(here, job) == [("its executor started anew", False)]
    assert len(executor.all(Grant)) == 2


def test_an_executor_that_says_goodbye_is_not_to_blame(here: Stand) -> None:
    job, executor = leased(here)
    executor.say(Goodbye())
    here.turn()
    assert ends(here, job) == [("its executor stopped", False)]
    assert here.executor("b").all(Grant)


def test_offers_only_grow_and_room_is_never_more_than_its_workers(here: Stand) -> None:
    executor = here.executor(workers=2)
    executor.say(Pull(1_000_000))
    executor.say(Pull(0))
    here.turn()
    for number in range(5):
        here.submitted(key=str(number))
    assert len(executor.all(Grant)) == 2


def test_a_pool_that_drains_tells_all(here: Stand) -> None:
    executors = [here.executor(name) for name in "ab"]
    here.pool.drain()
    assert all(executor.all(Drain) for executor in executors)


# who is not there any more


def test_an_executor_that_falls_silent_loses_its_leases(here: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("statek.api.executors.time.monotonic", lambda: now)
    job, silent = leased(here)
    now += LEASE_SECONDS - 0.1
    here.loop.do(here.pool.check_presence)
    here.turn()
    assert ends(here, job) == []
    now += 0.2
    here.loop.do(here.pool.check_presence)
    here.turn()
    assert ends(here, job) == [("its executor fell silent", True)]
    assert here.executor("b").all(Run)
    silent.send(silent.lease, Console(1, b"too late"))
    silent.beat()
    here.turn()
    assert here.loop.refused == {"stale": 1, "unknown_executor": 1}
    assert silent.all(Unknown)
    assert "console_printed" not in here.kinds(job)


@pytest.mark.parametrize("message", ["heartbeat", "output"])
def test_whatever_is_heard_of_an_executor_keeps_its_leases(
    here: Stand, monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    now = 1000.0
    monkeypatch.setattr("statek.api.executors.time.monotonic", lambda: now)
    job, executor = leased(here)
    for _ in range(5):
        now += LEASE_SECONDS - 0.1
        if message == "heartbeat":
            executor.beat(executor.lease.lease)
        else:
            executor.send(executor.lease, Console(1, b"."))
        here.turn()
        here.loop.do(here.pool.check_presence)
        here.turn()
    assert ends(here, job) == []


def test_an_executor_whose_connection_is_closed_loses_its_leases_at_once(here: Stand) -> None:
    job, executor = leased(here)
    here.executors.gone.add(executor.identity)
    here.loop.do(here.pool.check_presence)
    here.turn()
    assert ends(here, job) == [("its executor is gone", True)]


def test_a_job_that_takes_down_its_executors_is_given_up(here: Stand) -> None:
    job = here.submitted().job
    for number in range(ATTEMPTS_LIMIT):
        executor = here.executor(str(number))
        here.executors.gone.add(executor.identity)
        here.loop.do(here.pool.check_presence)
        here.turn()
    assert here.job(job).outcome == "failed"


def test_a_lease_that_heartbeats_do_not_name_never_arrived(here: Stand) -> None:
    job, executor = leased(here)
    lease = executor.lease.lease
    for _ in range(HEARTBEATS_MISSED - 1):
        executor.beat()
    executor.beat(lease)
    for _ in range(HEARTBEATS_MISSED - 1):
        executor.beat("another")
    here.turn()
    assert ends(here, job) == []
    executor.beat()
    here.turn()
    assert ends(here, job) == [("its executor does not know of the lease", False)]
    assert len(executor.all(Pong)) == 2 * HEARTBEATS_MISSED


# what comes under a lease


def test_a_message_of_an_older_epoch_is_dropped(here: Stand) -> None:
    job, old = leased(here)
    first = old.lease
    old.send(first, Lost(1, "stopped", "moved", None))
    here.turn()
    old.say(Pull(2))
    here.turn()
    assert old.lease != first
    for stamp in (first, Stamp(old.lease.lease, first.epoch, 1), Stamp(first.lease, old.lease.epoch, 1)):
        here.pool.on_frames(old.identity, [encode(stamp), encode(Console(1, b"stale"))])
    here.turn()
    assert here.loop.refused == {"stale": 3}
    assert "console_printed" not in here.kinds(job)


def test_nobody_speaks_for_anothers_lease(here: Stand) -> None:
    job, executor = leased(here)
    other = here.executor("b")
    other.send(executor.lease, Console(1, b"forged"))
    here.turn()
    assert here.loop.refused == {"out_of_lease": 1}
    assert ends(here, job) == []
    executor.send(executor.lease, Console(1, b"mine"))
    here.turn()
    assert "console_printed" in here.kinds(job)


def test_a_message_that_is_sent_again_is_dropped(here: Stand) -> None:
    job, executor = leased(here)
    frames = [encode(Stamp(executor.lease.lease, executor.lease.epoch, 1)), encode(Console(1, b"once"))]
    for _ in range(3):
        here.pool.on_frames(executor.identity, frames)
    here.turn()
    assert here.loop.refused == {"replayed": 2}
    assert here.kinds(job).count("console_printed") == 1


def test_a_gap_ends_the_lease(here: Stand) -> None:
    job, executor = leased(here)
    stamp = Stamp(executor.lease.lease, executor.lease.epoch, 2)
    here.pool.on_frames(executor.identity, [encode(stamp), encode(Console(1, b"second"))])
    here.turn()
    assert here.loop.refused == {"gap": 1}
    assert ends(here, job) == [("a message of the lease was lost on its way", False)]
    assert executor.all(Release)


def test_what_the_protocol_does_not_allow_ends_the_lease_it_came_under_and_no_other(here: Stand) -> None:
    job, executor = leased(here)
    other = here.executor("b")
    other_job = here.submitted(key="other").job
    here.pool.on_frames(executor.identity, [encode(Stamp(executor.lease.lease, 1, 1)), b"garbage"])
    here.pool.on_frames(other.identity, [encode(Stamp(executor.lease.lease, 1, 1)), b"garbage"])
    here.turn()
    [(reason, blamed)] = ends(here, job)
    assert blamed
    assert "does not allow" in reason
    assert ends(here, other_job) == []


def test_messages_after_the_end_of_a_lease_in_the_same_turn_are_stale(here: Stand) -> None:
    job, executor = leased(here)
    lease, run = executor.lease, executor.all(Run)[0]
    for message in (finished(run), Console(1, b"more"), Lost(None, "exited", "", None)):
        executor.send(lease, message)
    here.turn()
    assert here.loop.refused == {"stale": 2}
    assert here.job(job).outcome == "ok"
    assert here.kinds(job).count("job_ended") == 1


# hostile bytes

plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.floats()
    | st.text(max_size=9)
    | st.binary(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=8,
)
texts = st.text(max_size=20)
counts = st.integers(0, 5)
batches = st.integers(1, 3)
errors = st.none() | st.builds(GuestError, st.text(min_size=1, max_size=9), texts, st.none() | counts)
breaches = st.none() | st.builds(
    LimitBreach, st.sampled_from(["calls", "changed", "output_bytes", "x"]), st.floats(), st.floats()
)
transients = st.builds(TransientValue, texts, st.text(min_size=1, max_size=9), texts)
segments = st.builds(Segment, counts, st.binary(max_size=9), st.lists(batches, max_size=3).map(tuple))
snapshots = st.builds(
    Snapshot,
    counts,
    st.lists(segments, max_size=3).map(tuple),
    st.lists(counts, max_size=3).map(tuple),
    st.lists(transients, max_size=2).map(tuple),
)
LEASED: st.SearchStrategy[Message] = st.one_of(
    st.builds(Console, batches, st.binary(max_size=9)),
    st.builds(Call, batches, counts, st.sampled_from(["search", "delete", "x"]), st.binary(max_size=9)),
    st.builds(Observed, batches, st.binary(max_size=9)),
    st.builds(Checkpoint, batches, snapshots),
    st.builds(Violated, batches, st.just("import"), texts, st.none() | counts, st.sampled_from(["compile", "kernel"])),
    st.builds(Finished, batches, st.sampled_from(["ok", "error", "limit"]), errors, breaches, st.none() | snapshots),
    st.builds(Failed, batches, st.sampled_from(["diverged", "workspace", "bug"]), texts),
    st.builds(Metered, batches, st.floats(0, 9), st.floats(0, 9), counts, counts, counts),
    st.builds(
        Lost,
        st.none() | batches,
        st.sampled_from(["limit", "seccomp", "signal", "exited", "protocol", "stopped"]),
        texts,
        breaches,
    ),
)
FUZZED = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


stamps = st.builds(Stamp, st.text(min_size=1, max_size=9), counts, counts)
frames_of_any_kind = st.one_of(
    st.binary(max_size=40),
    plain.filter(lambda value: not isinstance(value, int) or value < 2**63).map(
        lambda value: msgpack.packb(value, unicode_errors="surrogatepass")
    ),
    st.dictionaries(st.sampled_from(["kind", "lease", "batch", "offered", "request", "job"]), plain, max_size=4).map(
        lambda value: msgpack.packb(value, unicode_errors="surrogatepass")
    ),
    LEASED.map(encode),
    stamps.map(encode),
    st.sampled_from([encode(Pull(3)), encode(Goodbye()), encode(Pong())]),
)


@given(st.lists(st.lists(frames_of_any_kind, max_size=3), max_size=8))
@FUZZED
def test_frames_of_any_kind_stop_nothing(tmp_path_factory: pytest.TempPathFactory, messages: list[list[bytes]]) -> None:
    with stand(tmp_path_factory.mktemp("fuzz") / "ledger") as here:
        executor = here.executor()
        job = here.submitted().job
        for frames in messages:
            here.pool.on_frames(b"stranger", frames)
            here.clients.on_frames(b"client", frames)
            here.turn()
        executor.send(executor.lease, finished(executor.all(Run)[0]))
        here.turn()
        assert here.job(job).outcome == "ok"


@given(st.lists(LEASED, max_size=12), st.integers(1, 4))
@FUZZED
def test_a_lease_under_which_anything_is_said_stops_nothing_and_its_record_can_be_read(
    tmp_path_factory: pytest.TempPathFactory, messages: list[Message], in_one_turn: int
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "ledger"
    with stand(path) as here:
        executor = here.executor()
        job = here.submitted(b"one", b"two", b"three").job
        here.follow(job)
        for number, message in enumerate(messages):
            executor.send(executor.lease, message)
            if number % in_one_turn == 0:
                here.turn()
        here.turn()
        here.turn()
    with stand(path) as after:
        after.ledger.verify()
        running = after.job(job).running
        after.tools.offered = Offered(tuple(call.tool for call in running.calls) if running is not None else ())
        restarted = after.executor("b")
        after.turn()
        assert after.job(job).status == "DONE" or restarted.all(Grant)


@given(st.lists(st.lists(frames_of_any_kind, max_size=2), max_size=6))
@FUZZED
def test_frames_of_a_client_of_any_kind_are_refused(
    tmp_path_factory: pytest.TempPathFactory, messages: list[list[bytes]]
) -> None:
    with stand(tmp_path_factory.mktemp("fuzz") / "ledger") as here:
        for frames in messages:
            here.clients.on_frames(b"client", frames)
        here.turn()
        assert len(here.told(Refused)) == len(messages)


@pytest.mark.parametrize("policy", [None, 1, [], {}, {"name": "x"}, {**Policy().to_wire(), "more": 1}])
def test_a_policy_that_is_none_is_refused(here: Stand, policy: Any) -> None:
    here.ask(Submit("key", None, policy, {}, {}, (NewBatch("a", b"b"),)))
    here.turn()
    assert here.told(Refused)


def test_leases_of_one_job_have_growing_epochs(here: Stand) -> None:
    job = here.submitted().job
    for number in range(3):
        executor = here.executor(str(number))
        executor.say(Goodbye())
        here.turn()
    epochs = [event.epoch for event in here.events(job) if isinstance(event, LeaseGranted)]
    assert epochs == [1, 2, 3]


def test_the_schedulers_own_standstill_is_nobodys_silence(here: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("statek.api.executors.time.monotonic", lambda: now)
    here.loop.do(here.pool.check_presence)
    job, _ = leased(here)
    now += 10 * LEASE_SECONDS
    here.loop.do(here.pool.check_presence)
    here.turn()
    assert ends(here, job) == []
    now += 0.5
    here.loop.do(here.pool.check_presence)
    here.turn()
    assert ends(here, job) == [("its executor fell silent", True)]
