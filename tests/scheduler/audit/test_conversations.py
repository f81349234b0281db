"""What the audit log says of conversations: who did what, with which model, at what cost, and no word of any text."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from talk_stand import UNBOUNDED, ended, lease_of, talk_stand

from statek.audit.query import Query
from statek.audit.records import AuditRecord
from statek.core.jobs import digest
from statek.store.audit_reader import AuditReader

SECRETS = ("hush", "murmur", "whisper")


def records(path: Path, *kinds: str) -> list[AuditRecord]:
    with AuditReader.read(path) as reader:
        return list(reader.select(Query(kinds=frozenset(kinds))))


def test_a_conversation_is_told_without_a_word_of_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with talk_stand(path) as here:
        executor = here.base.executor()
        job = here.start(definition=UNBOUNDED)
        here.push(job, "hush")
        here.write("print('murmur')")
        lease, run = lease_of(executor)
        executor.send(lease, ended(run))
        here.base.turn()
        here.reply("whisper")
        here.push(job, "hush")
        here.fail()
        here.retry(job, "request-1")
        here.cancel(job, "request-2")
    said = {record.kind: record.said for record in records(path)}
    assert not [record for record in records(path) if any(secret in record.body for secret in SECRETS)]
    assert said["message_pushed"] == {"number": 2, "source": "somebody", "text": digest(b"hush"), "bytes": 4}
    answered = said["turn_answered"]
    assert (answered["turn"], answered["model"], answered["outcome"]) == (2, "small-1", "plain")
    assert (answered["input_tokens"], answered["output_tokens"], answered["cost_micros"]) == (100, 20, 3_000)
    assert said["turn_requested"]["model"] == "small"
    assert said["turn_failed"]["cause"] == "timeout"
    assert said["job_revived"] == {"reason": "retry", "request": "request-1"}
    assert said["job_cancelled"] == {"reason": "enough", "request": "request-2"}


def test_a_bound_of_the_harness_is_told_with_what_was_used(tmp_path: Path) -> None:
    path = tmp_path / "ledger"
    with talk_stand(path) as here:
        here.start(definition=replace(UNBOUNDED, harness=replace(UNBOUNDED.harness, max_turns=2)))
        here.reply("", finish_reason="length")
        here.reply("", finish_reason="length")
    [record] = records(path, "harness_reached")
    assert record.said == {"limit": "max_turns", "allowed": 2.0, "used": 2.0}
