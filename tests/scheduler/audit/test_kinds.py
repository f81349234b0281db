"""What is told of each event, in which order, and that it fits in one bounded line of JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from audit_stores import Store, run_a_batch, submitted
from loop_stand import Stand, stand

from statek.audit.kinds import AUDITED_EVENTS, ENTRIES, KILLS, KINDS, NOTED, entries_for, posture_digest
from statek.audit.records import canonical
from statek.core.events import EVENTS, CallRequested, LeaseEnded
from statek.core.jobs import digest
from statek_protocol.messages.executor import Hello, Lost
from statek_protocol.messages.interpreter import Call, Console, LimitBreach

RECORD_BYTES = 64 * 1024


def test_a_batch_is_told_from_its_submission_to_its_end(here: Stand, store: Store) -> None:
    run_a_batch(here, here.executor(), "key")
    assert [record.kind for record in store.records()] == [
        "genesis",
        "scheduler_started",
        "executor_joined",
        "policy_set",
        "batch_submitted",
        "lease_granted",
        "call_allowed",
        "call_answered",
        "call_denied",
        "violation",
        "violation",
        "batch_ended",
        "lease_ended",
    ]


def test_the_end_of_a_batch_tells_source_policy_place_posture_use_and_outcome(here: Stand, store: Store) -> None:
    job = run_a_batch(here, here.executor(), "key")
    said = store.records("batch_ended")[0].said
    assert said["source"] == digest(b"source")
    assert said["policy"] == {"name": "test", "hash": here.job(job).policy}
    assert (said["executor"], said["host"], said["layers"]) == ("executor-a", "host-a", ["seccomp"])
    assert said["posture"] == posture_digest(["seccomp"])
    assert said["usage"]["cpu_us"] == 500_000
    assert (said["outcome"], said["error"], said["violations"]) == ("ok", None, 2)


def test_a_call_is_told_by_tool_number_and_arguments_digest_before_it_runs(here: Stand, store: Store) -> None:
    executor = here.executor()
    submitted(here)
    executor.send(executor.lease, Call(1, 0, "search", b"secret arguments"))
    here.turn()
    assert here.tools.started, "it is under way"
    [record] = store.records("call_allowed")
    assert record.said["arguments"] == digest(b"secret arguments")
    assert record.said["argument_bytes"] == 16
    assert "secret" not in record.body


def test_a_denied_call_names_what_denied_it(here: Stand, store: Store) -> None:
    executor = here.executor()
    submitted(here)
    executor.send(executor.lease, Call(1, 0, "forbidden", b""))
    here.turn()
    assert store.records("call_denied")[0].said["rule"] == "tool.denied"
    assert not store.records("call_allowed", "call_answered")


def test_a_limit_tells_what_was_printed_and_done_by_then_and_the_kill_tells_who_died(here: Stand, store: Store) -> None:
    executor = here.executor()
    job = submitted(here)
    executor.send(executor.lease, Console(1, b"printed\n"))
    executor.send(executor.lease, Lost(1, "limit", "killed at cpu_seconds", LimitBreach("cpu_seconds", 5.0, 6.0)))
    here.turn()
    limit, kill = store.records("limit")[0].said, store.records("kill")[0].said
    assert (limit["limit"], limit["allowed"], limit["used"], limit["printed_bytes"]) == ("cpu_seconds", 5.0, 6.0, 8)
    assert (kill["cause"], kill["executor"], kill["lease"]) == ("limit", "executor-a", f"{job}.1")
    assert store.records("batch_ended")[0].said["executor"] == "executor-a"


@pytest.mark.parametrize("cause", ["seccomp", "signal", "exited", "protocol"])
def test_whoever_is_killed_is_told_with_the_cause(here: Stand, store: Store, cause: str) -> None:
    executor = here.executor()
    submitted(here)
    executor.send(executor.lease, Lost(1, cause, "detail", None))  # type: ignore[arg-type]
    here.turn()
    assert store.records("kill")[0].said["cause"] == cause


def test_an_interpreter_that_is_ended_for_what_it_said_is_told_as_killed(here: Stand, store: Store) -> None:
    executor = here.executor()
    submitted(here)
    executor.send(executor.lease, Call(1, 5, "search", b""))
    here.turn()
    assert store.records("kill")[0].said["cause"] == "protocol"
    assert store.records("message_refused")[0].said["code"] == "out_of_turn"


def test_infinite_numbers_of_a_lying_supervisor_are_refused_and_do_not_end_the_loop(here: Stand, store: Store) -> None:
    executor = here.executor()
    submitted(here)
    executor.send(executor.lease, Lost(1, "limit", "", LimitBreach("cpu_seconds", float("inf"), float("-inf"))))
    here.turn()
    (refused,) = store.records("message_refused")
    assert refused.said["code"] == "out_of_turn"
    assert "cpu_seconds" in refused.said["text"]
    assert not store.records("limit")


def test_a_lost_lease_is_told_with_its_reason(here: Stand, store: Store) -> None:
    executor = here.executor()
    submitted(here)
    here.executors.gone.add(executor.identity)
    here.loop.do(here.pool.check_presence)
    here.turn()
    assert store.records("lease_ended")[0].said["reason"] == "its executor is gone"
    assert store.records("executor_left")[0].said["leases"] == 1


def test_a_refused_client_and_a_refused_executor_are_told(here: Stand, store: Store) -> None:
    here.submit(b"source", job="job-unknown")
    executor = here.executor()
    executor.say(_old_hello())
    here.turn()
    assert store.records("client_refused")[0].said["code"] == "unknown_job"
    assert store.records("executor_rejected")[0].said["executor"] == "old"


def _old_hello() -> Hello:
    return Hello(1_000, "0", "old", "host", 1, {})


def test_a_start_tells_what_it_found(store: Store) -> None:
    with stand(store.path) as killed:
        killed.executor()
        submitted(killed)
    with stand(store.path):
        pass
    found = store.records("scheduler_started")[-1].said
    assert (found["unfinished_jobs"], found["former_leases"]) == (1, 1)
    assert store.records("lease_ended")[0].said["reason"] == "the scheduler started anew"
    assert store.verdict(head_file=True).fault is None


def test_every_entry_names_an_event_and_refusals_do_not_mix_with_the_rest() -> None:
    assert {event.kind for event in {entry.event for entry in ENTRIES}} == AUDITED_EVENTS <= set(EVENTS)
    assert not {entry.kind for entry in ENTRIES} & set(NOTED)
    assert len(KINDS) == len({entry.kind for entry in ENTRIES}) + len(NOTED)
    for event in (LeaseEnded("l", 1, "", False, "limit"), CallRequested(1, 0, "t", b"", "calls")):
        assert len({entry.refusal for entry in entries_for(event)}) == 1
    assert "stopped" not in KILLS


def test_every_kind_is_described() -> None:
    page = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
    assert not {kind for kind in KINDS if f"`{kind}`" not in page}


@pytest.mark.parametrize("text", ["x" * 10**6, "\U0001f600" * 10**6, "\ud800" * 1000, "\0\x1b\n" * 1000])
def test_a_body_is_one_bounded_line_of_ascii_whatever_is_in_it(text: str) -> None:
    body = canonical({"text": text, "map": {text: 1}, "list": [text] * 3, "none": None})
    assert body.isascii()
    assert body.isprintable()
    assert len(body) < RECORD_BYTES
    assert canonical(json.loads(body)) == body or len(text) > 500


def test_a_body_is_written_in_one_way_only() -> None:
    assert canonical({"b": 1, "a": [True, None, 0.5]}) == '{"a":[true,null,0.5],"b":1}'
    with pytest.raises(TypeError, match="cannot say"):
        canonical({"a": b"bytes"})
