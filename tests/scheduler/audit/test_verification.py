"""Whatever is changed, taken out, put in or moved in the log or in the events beside it is found and named."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from audit_stores import Store, run_a_batch
from loop_stand import stand

from statek.audit.chain import record_hash
from statek.audit.verification import Known
from statek.store.audit_head import NAME
from statek.store.errors import StoreDamaged
from statek.store.ledger import Ledger

CHANGES = {
    "body": "body = replace(body, '{', '{ ')",
    "kind": "kind = 'call_denied'",
    "time": "at_us = at_us + 1",
    "job": "job = 'another'",
    "cursor": "cursor = cursor + 1",
    "digest of its event": "event = zeroblob(32)",
    "hash": "hash = zeroblob(32)",
    "type of its body": "body = x'00'",
    "type of its hash": "hash = 'text'",
    "text that is no UTF-8": "kind = cast(x'ff' as text)",
}


def sequence_of(store: Store, kind: str) -> int:
    return store.records(kind)[0].sequence


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_record_is_named(filled: Store, change: str) -> None:
    number = sequence_of(filled, "call_allowed")
    filled.tamper(f"UPDATE audit SET {CHANGES[change]} WHERE sequence = {number}")
    fault = filled.verdict().fault
    assert fault is not None
    assert (fault.what, fault.sequence) == ("changed", number)
    assert f"record {number} " in fault.text


def test_a_missing_record_is_named(filled: Store) -> None:
    number = sequence_of(filled, "violation")
    filled.tamper(f"DELETE FROM audit WHERE sequence = {number}")
    fault = filled.verdict().fault
    assert fault is not None
    assert (fault.what, fault.sequence, fault.text) == ("missing", number, f"record {number} is missing")


def test_a_row_of_missing_records_is_named(filled: Store) -> None:
    filled.tamper("DELETE FROM audit WHERE sequence BETWEEN 4 AND 6")
    fault = filled.verdict().fault
    assert fault is not None
    assert fault.text == "records 4 to 6 are missing"


def test_a_missing_first_record_is_named(filled: Store) -> None:
    filled.tamper("DELETE FROM audit WHERE sequence = 1")
    fault = filled.verdict().fault
    assert fault is not None
    assert (fault.what, fault.sequence) == ("missing", 1)


def test_records_that_changed_places_are_named(filled: Store) -> None:
    filled.tamper(
        "UPDATE audit SET sequence = -1 WHERE sequence = 5",
        "UPDATE audit SET sequence = 5 WHERE sequence = 6",
        "UPDATE audit SET sequence = 6 WHERE sequence = -1",
    )
    fault = filled.verdict().fault
    assert fault is not None
    assert (fault.what, fault.sequence) == ("reordered", 5)
    assert "it stands as 6" in fault.text


def test_a_record_of_another_store_is_named(filled: Store, tmp_path: Path) -> None:
    other = Store(tmp_path / "other" / "ledger.sqlite3")
    other.path.parent.mkdir()
    with stand(other.path) as made:
        run_a_batch(made, made.executor(), "key")
    columns = "sequence, at_us, kind, job, cursor, event, body, previous, hash"
    filled.tamper(
        f"ATTACH '{other.path}' AS other",
        "DELETE FROM audit WHERE sequence = 4",
        f"INSERT INTO audit({columns}) SELECT {columns} FROM other.audit WHERE sequence = 4",
    )
    fault = filled.verdict().fault
    assert fault is not None
    assert (fault.what, fault.sequence) == ("foreign", 4)


def test_a_record_that_was_put_in_with_a_hash_of_its_own_is_named(filled: Store) -> None:
    record = filled.records()[4]
    forged = record_hash(record)
    assert forged == record.hash
    filled.tamper("UPDATE audit SET previous = :other WHERE sequence = 5", other=bytes(32))
    changed = filled.records()[4]
    filled.tamper("UPDATE audit SET hash = :hash WHERE sequence = 5", hash=record_hash(changed))
    fault = filled.verdict().fault
    assert fault is not None
    assert (fault.what, fault.sequence) == ("foreign", 5)


def test_a_log_that_lost_its_end_is_told_by_the_events_that_have_no_records(filled: Store) -> None:
    number = sequence_of(filled, "batch_ended")
    filled.tamper(f"DELETE FROM audit WHERE sequence >= {number}")
    fault = filled.verdict().fault
    assert fault is not None
    assert (fault.what, fault.sequence) == ("disagreement", None)
    assert "has no record of kind" in fault.text


def test_a_log_and_events_that_lost_their_end_together_are_told_by_the_head_beside_them(filled: Store) -> None:
    cursor = filled.records("batch_ended")[-1].cursor
    number = filled.records("batch_ended")[-1].sequence
    filled.tamper(f"DELETE FROM audit WHERE sequence >= {number}", f"DELETE FROM events WHERE cursor >= {cursor}")
    assert filled.verdict().fault is None, "without anything from outside the chain, its end is just an end"
    fault = filled.verdict(head_file=True).fault
    assert fault is not None
    assert fault.what == "head"
    assert "its end is missing" in fault.text


def rewrite(store: Store, sequence: int, body: str) -> None:
    """Change a record and all hashes after it, as somebody can who writes the file."""
    store.tamper("UPDATE audit SET body = :body WHERE sequence = :sequence", body=body, sequence=sequence)
    previous = store.records()[sequence - 2].hash
    for record in store.records()[sequence - 1 :]:
        store.tamper("UPDATE audit SET previous = :previous WHERE sequence = :n", previous=previous, n=record.sequence)
        previous = record_hash(store.records()[record.sequence - 1])
        store.tamper("UPDATE audit SET hash = :hash WHERE sequence = :n", hash=previous, n=record.sequence)


def test_a_chain_that_was_written_anew_is_told_only_by_a_head_from_elsewhere(filled: Store) -> None:
    written_down = filled.verdict().head
    rewrite(filled, sequence_of(filled, "violation"), '{"batch":1}')
    assert filled.verdict().fault is None, "a chain cannot show more"
    fault = filled.verdict(Known(written_down.hash, None, "--head")).fault
    assert fault is not None
    assert (fault.what, "--head" in fault.text) == ("head", True)
    fault = filled.verdict(head_file=True).fault
    assert fault is not None
    assert "written anew" in fault.text


def test_a_chain_that_has_grown_still_goes_through_an_earlier_head(store: Store) -> None:
    with stand(store.path) as made:
        executor = made.executor(workers=9)
        run_a_batch(made, executor, "one")
        earlier = store.verdict().head
        run_a_batch(made, executor, "two")
        assert store.verdict().head.sequence > earlier.sequence
        assert store.verdict(Known(earlier.hash, None, "--head")).fault is None


@pytest.mark.parametrize("kind", ["policy_violated", "call_requested", "batch_ended", "lease_granted", "lease_ended"])
def test_an_event_that_was_taken_out_is_named(filled: Store, kind: str) -> None:
    filled.tamper("DELETE FROM events WHERE cursor = (SELECT min(cursor) FROM events WHERE kind = :kind)", kind=kind)
    fault = filled.verdict().fault
    assert fault is not None
    assert fault.what == "disagreement"
    assert f"event {fault.cursor}, which is not in the ledger" in fault.text


def test_an_event_that_was_changed_is_named(filled: Store) -> None:
    cursor = filled.records("violation")[0].cursor
    filled.tamper(
        "UPDATE events SET body = (SELECT body FROM events WHERE kind = 'policy_violated' LIMIT 1), at_us = at_us + 1 "
        "WHERE cursor = :cursor",
        cursor=cursor,
    )
    fault = filled.verdict().fault
    assert fault is not None
    assert (fault.what, fault.cursor) == ("disagreement", cursor)
    assert "is not the one that it was written for" in fault.text


@pytest.mark.parametrize("body", [b"\xc1", b"\x80"])
def test_an_event_that_cannot_be_read_is_named(filled: Store, body: bytes) -> None:
    cursor = filled.records("violation")[0].cursor
    filled.tamper("UPDATE events SET body = :body WHERE cursor = :cursor", body=body, cursor=cursor)
    fault = filled.verdict().fault
    assert fault is not None
    assert (fault.what, fault.cursor) == ("disagreement", cursor)


def test_an_event_that_was_put_in_is_named(filled: Store) -> None:
    filled.tamper(
        "INSERT INTO events SELECT (SELECT max(cursor) + 1 FROM events), job, batch, kind, number, at_us, body, "
        "checksum FROM events WHERE kind = 'batch_ended' LIMIT 1"
    )
    fault = filled.verdict().fault
    assert fault is not None
    assert (fault.what, fault.sequence) == ("disagreement", None)


def test_an_emptied_log_keeps_the_scheduler_from_starting(filled: Store) -> None:
    filled.tamper("DELETE FROM audit")
    fault = filled.verdict().fault
    assert fault is not None
    assert (fault.what, fault.sequence) == ("missing", 1)
    with pytest.raises(StoreDamaged, match="audit log is empty"):
        Ledger.open(filled.path)


def test_a_changed_last_record_keeps_the_scheduler_from_going_on_from_it(filled: Store) -> None:
    filled.tamper("UPDATE audit SET kind = 'genesis' WHERE sequence = (SELECT max(sequence) FROM audit)")
    with pytest.raises(StoreDamaged, match="was changed"):
        Ledger.open(filled.path)


def test_a_start_on_a_log_that_lost_its_end_puts_that_on_record_before_it_goes_on(filled: Store) -> None:
    last = filled.records()[-1]
    filled.tamper("DELETE FROM audit WHERE sequence = :last", last=last.sequence)
    with stand(filled.path):
        pass
    [found] = filled.records("tail_missing")
    assert found.said["reason"].startswith(f"record {last.sequence} with hash {last.hash.hex()}")
    with stand(filled.path):
        pass
    assert len(filled.records("tail_missing")) == 1, "the head beside the ledger goes on with the chain"


def test_a_copy_without_the_head_beside_it_is_verified_by_itself(filled: Store, tmp_path: Path) -> None:
    (tmp_path / "copy").mkdir()
    copy = Store(shutil.copy(filled.path, tmp_path / "copy" / "ledger.sqlite3"))
    assert not copy.path.with_name(NAME).exists()
    assert copy.verdict(head_file=True).fault is None


@pytest.mark.parametrize("text", [b"nothing", b"statek audit head 1 00\n", b"x" * 200])
def test_a_head_file_that_is_none_of_ours_is_told_and_replaced(filled: Store, text: bytes) -> None:
    filled.path.with_name(NAME).write_bytes(text)
    with pytest.raises(StoreDamaged, match="not a head"):
        filled.verdict(head_file=True)
    with stand(filled.path):
        pass
    assert len(filled.records("tail_missing")) == 1
    assert filled.verdict(head_file=True).fault is None
