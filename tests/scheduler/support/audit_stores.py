"""A store's audit log as tests see it: read, verified, and tampered with by SQL; and a batch that has all in it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from loop_stand import FakeExecutor, Stand, finished

from statek.audit.query import Query
from statek.audit.records import AuditRecord
from statek.audit.verification import Known, Verdict, verify
from statek.store.audit_head import read_head
from statek.store.audit_reader import AuditReader
from statek_policies import Policy
from statek_protocol.messages.client import Accepted
from statek_protocol.messages.executor import Metered
from statek_protocol.messages.interpreter import Call, Console, Run, Violated

POLICY = Policy(name="test", tools=("search",), required_layers=frozenset({"seccomp"}))


class Store:
    """A ledger's file, and what can be done with it from outside."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def records(self, *kinds: str, job: str | None = None) -> list[AuditRecord]:
        with AuditReader.read(self.path) as reader:
            return list(reader.select(Query(job, frozenset(kinds))))

    def verdict(self, *known: Known, head_file: bool = False) -> Verdict:
        noted = read_head(self.path) if head_file else None
        heads = [*known, *([Known(noted.hash, noted.sequence, "audit.head")] if noted is not None else [])]
        with AuditReader.read(self.path) as reader, reader.snapshot():
            return verify(reader, heads)

    def tamper(self, *statements: str, **parameters: object) -> None:
        """Do what somebody could who may write the file."""
        with closing(sqlite3.connect(self.path)) as connection, connection:
            for statement in statements:
                connection.execute(statement, parameters)


def submitted(here: Stand, key: str = "key") -> str:
    """Have a batch accepted whose policy allows one tool; returns its job."""
    here.submit(b"source", key=key, policy=POLICY)
    here.turn()
    return next(accepted.job for accepted in here.told(Accepted) if accepted.request == key)


def run_a_batch(here: Stand, executor: FakeExecutor, key: str, *, denied: int = 1) -> str:
    """A batch that prints, calls a tool, is refused another one, violates the policy once, and ends well."""
    job = submitted(here, key)
    lease = executor.lease
    executor.send(lease, Console(1, b"printed\n"))
    executor.send(lease, Call(1, 0, "search", b"arguments"))
    here.turn()
    here.answer(job, 0)
    here.turn()
    for number in range(1, denied + 1):
        executor.send(lease, Call(1, number, "forbidden", b""))
    executor.send(lease, Violated(1, "import.not_offered", "the module 'os' is not offered", 3, "compile"))
    executor.send(lease, Metered(1, 0.5, 1.0, 10, 8, 2))
    executor.send(lease, finished(executor.all(Run)[-1]))
    here.turn()
    assert here.job(job).status == "DONE"
    return job
