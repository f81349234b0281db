"""Whether the audit log is whole: its chain, its agreement with the ledger's events, heads known from elsewhere.

The chain shows that no record was changed, taken out, put in or moved: each would need all later hashes to be written
again. The events show the same from the other side: an audited event has its records, and a record's event is there
with its digest. Neither shows anything against somebody who writes the whole file anew; a head that was written down
elsewhere does, for all that lies before it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from statek.audit.agreement import Agreement, AuditedEvent, Disagreement
from statek.audit.chain import EMPTY, Head, head_of, record_hash
from statek.audit.kinds import GENESIS
from statek.audit.records import AuditRecord


class Log(Protocol):
    """What is read of a log: one state of it, as long as the verification takes."""

    def chain(self) -> Iterator[tuple[int, AuditRecord | None]]:
        """Yield all rows by sequence number; None for one that cannot be a record."""

    def followers(self, head: Head) -> Sequence[AuditRecord]:
        """Return the records that claim to follow that head, wherever they stand."""

    def events(self, after: int) -> Iterator[AuditedEvent]:
        """Yield the ledger's events that have to have records."""

    def forgotten(self, job: str) -> int:
        """Return up to which event those of a job may be missing because it was forgotten; 0 where none may."""

    def may_have_lease(self, job: str) -> bool:
        """Tell whether refusals of that job may still be counted."""


@dataclass(frozen=True, slots=True)
class Known:
    """A head that is known from elsewhere, and where that is."""

    hash: bytes
    sequence: int | None
    """None where only the hash was written down."""
    where: str


@dataclass(frozen=True, slots=True)
class Fault:
    """The first thing that is wrong."""

    what: Literal["changed", "missing", "reordered", "foreign", "disagreement", "head"]
    sequence: int | None
    """The record; None where an event has none, and where the chain does not go through a head."""
    cursor: int | None
    """The event, where it is about one."""
    text: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a verification found."""

    head: Head
    """The last record that is in order."""
    store: str | None
    """The store's id, from the first record."""
    before: int
    """The last event of the time before there was an audit log."""
    fault: Fault | None


class _Broken(Exception):
    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.text)
        self.fault = fault


def verify(log: Log, known: Iterable[Known] = ()) -> Verdict:
    """Check everything there is, and stop at the first fault. Takes as long as reading the log and its events."""
    walk = _Walk(log, {head.hash: head for head in known})
    try:
        for sequence, record in log.chain():
            walk.step(sequence, record)
        walk.finish()
    except _Broken as broken:
        return Verdict(walk.head, walk.store, walk.before, broken.fault)
    return Verdict(walk.head, walk.store, walk.before, None)


class _Walk:
    """How far a verification has come."""

    def __init__(self, log: Log, known: dict[bytes, Known]) -> None:
        self._log = log
        self._known = known
        self._agreement: Agreement | None = None
        self.head = EMPTY
        self.store: str | None = None
        self.before = 0

    def step(self, sequence: int, record: AuditRecord | None) -> None:
        """Take the next row; raises `_Broken`."""
        due = self.head.sequence + 1
        if record is None or sequence != due or record.previous != self.head.hash or record_hash(record) != record.hash:
            raise _Broken(_chain_fault(self._log, self.head, sequence, record))
        try:
            if self._agreement is None:
                self._begin(record)
            else:
                self._agreement.take(record)
        except Disagreement as error:
            raise _Broken(Fault("disagreement", sequence, error.cursor, f"record {sequence}: {error}")) from None
        except (KeyError, TypeError, ValueError):  # it has its hash, so whoever made that put it there
            raise _Broken(Fault("foreign", sequence, None, f"record {sequence} says what none of ours does")) from None
        self.head = head_of(record)
        self._known.pop(record.hash, None)

    def finish(self) -> None:
        """Look at what should have come; raises `_Broken`."""
        for head in self._known.values():
            raise _Broken(self._head_fault(head))
        if self._agreement is None:
            raise _Broken(Fault("missing", 1, None, "record 1 is missing: the log is empty"))
        try:
            self._agreement.finish(self._log.may_have_lease)
        except Disagreement as error:
            text = f"the log ends at record {self.head.sequence}: {error}"
            raise _Broken(Fault("disagreement", None, error.cursor, text)) from None

    def _begin(self, record: AuditRecord) -> None:
        if record.kind != GENESIS:
            raise ValueError(record.kind)
        self.store, self.before = str(record.said["store"]), int(record.said["cursor"])
        self._agreement = Agreement(self._log.events(self.before), self._log.forgotten)

    def _head_fault(self, known: Known) -> Fault:
        last = self.head.sequence
        if known.sequence is None:
            text = f"the chain of {last} records does not go through the head of {known.where}"
        elif known.sequence > last:
            text = f"the log ends at record {last}, but {known.where} names record {known.sequence}: its end is missing"
        else:
            text = f"record {known.sequence} is not the one that {known.where} names: the chain was written anew"
        return Fault("head", None, None, text)


def _chain_fault(log: Log, head: Head, sequence: int, record: AuditRecord | None) -> Fault:
    """Say what is wrong where record `head.sequence + 1` should stand."""
    due = head.sequence + 1
    for other in log.followers(head):
        if other.sequence != due and record_hash(other, sequence=due) == other.hash:
            return Fault("reordered", due, None, f"record {due} is out of its place: it stands as {other.sequence}")
    if sequence > due:
        missing = f"record {due} is" if sequence == due + 1 else f"records {due} to {sequence - 1} are"
        return Fault("missing", due, None, f"{missing} missing")
    if sequence < due:
        return Fault("foreign", sequence, None, f"record {sequence} stands before the first one")
    if record is None or record_hash(record) != record.hash:
        return Fault("changed", sequence, None, f"record {sequence} is not what was written")
    text = f"record {sequence} does not follow record {head.sequence}: it is of another chain, or that one was replaced"
    return Fault("foreign", sequence, None, text)
