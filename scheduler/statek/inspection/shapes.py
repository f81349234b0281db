"""What a view of a job is made of: a page of a log, what was used, what is waited for; and where it is read from."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final, Generic, TypeVar

from statek.core.money import in_currency
from statek.store.errors import StoreRefused
from statek.store.job_search import JobSearch

T = TypeVar("T")

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some entries of a log, in order."""

    items: tuple[T, ...]
    after: int | None
    """The cursor to go on from; None where there was no more."""


@dataclass(frozen=True, slots=True)
class JobUsage:
    """What a job has used so far: its batches, measured from outside the interpreter, and its model."""

    cpu_seconds: float
    wall_seconds: float
    peak_memory_bytes: int
    output_bytes: int
    calls: int
    input_tokens: int
    cached_tokens: int
    """Those among the input tokens that the provider had cached."""
    output_tokens: int
    cost_micros: int
    """Millionths of the price table's currency; replies without a price are not in it."""
    unpriced: int
    """Replies for which there is no price."""

    @property
    def cost(self) -> Decimal:
        """Return the cost in whole units of the price table's currency."""
        return in_currency(self.cost_micros)


@dataclass(frozen=True, slots=True)
class AwaitedResult:
    """The future whose value a job stands still for."""

    number: int
    shape: str
    """"temporal", "promise", "any", "all" or "value"."""
    function: str
    """The temporal tool whose condition and complement it has; empty for none."""
    key: str
    """Under which it can be completed from outside; empty for none."""
    what: str
    """What it is, for people."""
    since_us: int
    deadline_us: int | None
    trouble: str
    """What went wrong the last time that its condition was asked, if something did."""
    failures: int


@dataclass(frozen=True, slots=True)
class Violation:
    """Something that the policy refused."""

    cursor: int
    batch: int
    rule: str
    detail: str
    line: int | None
    layer: str


class LedgerSource:
    """Opens the ledger for reading whenever somebody reads, in whichever thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._open = threading.local()

    @contextmanager
    def reading(self) -> Iterator[JobSearch]:
        """Give a connection; all that this thread reads within the block has the same one. Raises a `StoreError`."""
        known: JobSearch | None = getattr(self._open, "reader", None)
        if known is not None:
            yield known
            return
        if not self._path.exists():
            way_out = "name the directory of a store on which a scheduler was started"
            raise StoreRefused(self._path.parent, "has no jobs yet, or is no store", way_out)
        with JobSearch.read(self._path) as reader:
            self._open.reader = reader
            try:
                yield reader
            finally:
                self._open.reader = None


def instant(at_us: int) -> datetime:
    """Read microseconds since 1970 UTC."""
    return _EPOCH + timedelta(microseconds=at_us)
