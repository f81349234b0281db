"""statek audit: show, follow and verify the record of what was decided about guests, executors and clients.

It reads the ledger beside its scheduler, or a copy of it, and changes nothing. There is no wake-up for a reader of
another process's SQLite file, so following asks for the file's change counter, four times a second.
"""

from __future__ import annotations

import json
import select
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from statek.audit.chain import EMPTY
from statek.audit.lines import line_of
from statek.audit.query import Query, QueryError, checked_kinds, parse_time
from statek.audit.records import AuditRecord
from statek.audit.verification import Fault, Known, Verdict, verify
from statek.cli.options import default_store, wrong_usage
from statek.cli.terminal import discard_output
from statek.store.audit_head import NAME as HEAD_FILE
from statek.store.audit_head import read_head
from statek.store.audit_reader import AuditReader
from statek.store.errors import StoreDamaged, StoreError

FOLLOW_MS: Final = 250
"""Between two looks at the file's change counter, which SQLite answers from shared memory."""
FIRST_SHOWN: Final = 10
"""Records with which following begins, where nothing else is asked for."""
_HASH_DIGITS: Final = 64


@click.command("audit", short_help="Show, follow or verify the audit log of a store.")
@click.option(
    "--store", type=click.Path(path_type=Path), default=default_store, help="The store's directory, or a copy."
)
@click.option("--job", metavar="ID", help="Only records of this job.")
@click.option("--kind", "kinds", multiple=True, metavar="KIND", help="Only records of this kind; may be repeated.")
@click.option("--since", metavar="T", help="Only from this time on: ISO 8601, or how long ago (10m, 2h, 3d).")
@click.option("--until", metavar="T", help="Only up to this time.")
@click.option("--limit", type=click.IntRange(1), metavar="N", help="Only the last N of them.")
@click.option("--follow", is_flag=True, help="Go on with what is recorded from now on, until interrupted.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@click.option("--verify", "verifying", is_flag=True, help="Check the whole log instead of showing it.")
@click.option("--head", metavar="HASH", help="With --verify: the chain must go through this record.")
def audit_command(
    store: Path,
    job: str | None,
    kinds: tuple[str, ...],
    since: str | None,
    until: str | None,
    limit: int | None,
    follow: bool,
    as_json: bool,
    verifying: bool,
    head: str | None,
) -> None:
    """Show the records of what was decided about guests, executors and clients, oldest first.

    --verify names the first record that was changed, is missing, out of place or of another chain, and the first on
    which the records and the ledger's events disagree. Exit status: 0 good, 1 broken, 2 cannot be read.
    """
    asked = (job, *kinds, since, until, limit) != (None,) * 4 or follow
    _check_usage(verifying=verifying, asked=asked, head=head, endless=follow and until is not None)
    ledger = _find_ledger(store)
    try:
        if verifying:
            _tell_verdict(*_verify(ledger, head), as_json=as_json)
        query = _read_query(job, kinds, since, until)
        with AuditReader.read(ledger) as reader, _ending_well():
            first = FIRST_SHOWN if follow and limit is None and query == Query() else limit
            _show(reader, query, first, follow=follow, as_json=as_json)
    except StoreError as error:
        wrong_usage(str(error))


def _check_usage(*, verifying: bool, asked: bool, head: str | None, endless: bool) -> None:
    if verifying and asked:
        wrong_usage("--verify checks the whole log: leave out what selects or follows records")
    if head is not None and not verifying:
        wrong_usage("--head is for --verify")
    if head is not None and (len(head) != _HASH_DIGITS or set(head) - set("0123456789abcdef")):
        wrong_usage(f"--head takes the {_HASH_DIGITS} hexadecimal digits that an earlier --verify printed")
    if endless:
        wrong_usage("--follow goes on without end: leave out --until")


def _find_ledger(store: Path) -> Path:
    ledger = store.absolute() / "ledger.sqlite3"
    if not ledger.exists():
        wrong_usage(f"there is no ledger in {store}, so no audit log: give the --store that it is in")
    return ledger


def _read_query(job: str | None, kinds: tuple[str, ...], since: str | None, until: str | None) -> Query:
    now_us = time.time_ns() // 1_000
    try:
        return Query(
            job,
            checked_kinds(kinds),
            None if since is None else parse_time(since, now_us),
            None if until is None else parse_time(until, now_us),
        )
    except QueryError as error:
        wrong_usage(str(error))


@contextmanager
def _ending_well() -> Iterator[None]:
    """Take an interrupt, and a reader that has gone away, for the end that was wanted."""
    try:
        yield
    except KeyboardInterrupt:
        pass
    except BrokenPipeError:
        discard_output()


def _show(reader: AuditReader, query: Query, limit: int | None, *, follow: bool, as_json: bool) -> None:
    """Print what there is, and then, if asked to, what comes."""
    version = reader.version  # asked for first, so that no change goes unseen
    last = reader.last_sequence
    last = max(last, _print(reader.select(query, limit=limit), as_json=as_json))
    while follow and _reader_is_there():
        if reader.version == version:
            continue
        version = reader.version
        there = reader.last_sequence
        last = max(there, _print(reader.select(query, last), as_json=as_json))


def _reader_is_there() -> bool:
    """Wait for as long as nobody closes the other end of standard output, but not for long."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)
    return not poll.poll(FOLLOW_MS)


def _print(records: Iterator[AuditRecord], *, as_json: bool) -> int:
    """Print records and return the last one's number, 0 if there was none."""
    last = 0
    for record in records:
        sys.stdout.write(f"{record.as_json() if as_json else line_of(record)}\n")
        last = record.sequence
    sys.stdout.flush()
    return last


def _verify(ledger: Path, head: str | None) -> tuple[Verdict, bool]:
    """Verify one state of the log; tells also whether there is a head file to hold it against."""
    try:
        noted = read_head(ledger)  # first: a chain that is read later goes at least as far
    except StoreDamaged as error:
        return Verdict(EMPTY, None, 0, Fault("head", None, None, str(error))), True
    known = [] if noted is None else [Known(noted.hash, noted.sequence, HEAD_FILE)]
    known += [] if head is None else [Known(bytes.fromhex(head), None, "--head")]
    with AuditReader.read(ledger) as reader, reader.snapshot():
        return verify(reader, known), noted is not None


def _tell_verdict(verdict: Verdict, has_head_file: bool, *, as_json: bool) -> None:
    """Print what was found and leave with the status that says so."""
    fault = verdict.fault
    if as_json:
        found = None if fault is None else {"what": fault.what, "sequence": fault.sequence, "cursor": fault.cursor}
        said = {
            "ok": fault is None,
            "store": verdict.store,
            "records": verdict.head.sequence,
            "head": verdict.head.hash.hex(),
            "head_file": has_head_file,
            "fault": None if found is None or fault is None else {**found, "text": fault.text},
        }
        click.echo(json.dumps(said))
    else:
        click.echo("\n".join(_page(verdict, has_head_file)))
    raise SystemExit(0 if fault is None else 1)


def _page(verdict: Verdict, has_head_file: bool) -> Iterator[str]:
    if verdict.fault is not None:
        yield f"BROKEN ({verdict.fault.what}): {verdict.fault.text}"
        yield f"in order up to record {verdict.head.sequence}, hash {verdict.head.hash.hex()}"
        return
    yield f"{verdict.head.sequence} records in order, none missing, all in agreement with the ledger's events"
    yield f"store {verdict.store}, head {verdict.head.hash.hex()}"
    if verdict.before:
        yield f"the store is older than its audit log: there are no records of its first {verdict.before} events"
    if not has_head_file:
        yield f"there is no {HEAD_FILE} beside the ledger: whether the log lost its end can only be told with --head"
