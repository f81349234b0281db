"""Looks at futures, in dbzero's thread: whether they are there, and what their value is."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from statek.core.events import Event, FutureCreated
from statek.core.futures import FUTURE_FAILED, Settlement
from statek.futures.budget import Budget, OutOfTime
from statek.futures.dependencies import DependencyGone, prefixes_of, state_of
from statek.futures.registry import FutureRefused, Futures, Terms, ToolMissing
from statek.futures.results import FutureError, FutureFailed, FutureResult
from statek_protocol.values import ValueRefused, encode_value

log = logging.getLogger(__name__)

SLICE_SECONDS: Final = 0.05
"""After so long the rest of what was to be looked at waits for the next time, and other work has its turn."""
TEXT_LIMIT: Final = 2_000

EncodeValue = Callable[[str, Any, Terms], tuple[bytes, tuple[Event, ...]]]
"""Writes a value for a job; with it what the job has to record of objects and futures in it."""


@dataclass(frozen=True, slots=True)
class Subject:
    """A future to look at: whose it is, what it was made from, and what its value may be for that job."""

    job: str
    created: FutureCreated
    terms: Terms


@dataclass(frozen=True, slots=True)
class Finding:
    """What came of a look. `settled` has a settlement, `troubled` the reason."""

    job: str
    number: int
    state: Literal["pending", "settled", "troubled", "not looked at"]
    settlement: Settlement | None = None
    events: tuple[Event, ...] = ()
    trouble: str = ""
    states: Mapping[str, int] = field(default_factory=dict)
    """The prefixes of dbzero where something has to change before another look finds more; how they stood before it."""
    seconds: float = 0.0
    """What the look took."""


def encode_plain(job: str, value: Any, terms: Terms) -> tuple[bytes, tuple[Event, ...]]:
    """Write a value that holds neither objects nor futures; raises `ValueRefused`."""
    limits = terms.limits
    return encode_value(value, max_bytes=limits.argument_bytes, max_depth=limits.argument_depth), ()


class Inspector:
    """Calls conditions and complements, one at a time, each under the time budget."""

    def __init__(self, futures: Futures, encode: EncodeValue = encode_plain) -> None:
        self.budget = Budget()
        self.current: tuple[str, int] | None = None
        """The job and number of the future that is being looked at."""
        self._futures = futures
        self._encode = encode

    def inspect(self, subjects: Sequence[Subject]) -> tuple[Finding, ...]:
        """Look at some futures, as far as time allows; at least at the first."""
        began = time.monotonic()
        findings: list[Finding] = []
        for subject in subjects:
            if findings and time.monotonic() - began > SLICE_SECONDS:
                findings.append(Finding(subject.job, subject.created.number, "not looked at"))
            else:
                started = time.monotonic()
                findings.append(self._look(subject))
                findings[-1] = replace(findings[-1], seconds=time.monotonic() - started)
        self.current = None
        return tuple(findings)

    def _look(self, subject: Subject) -> Finding:
        job, number = self.current = subject.job, subject.created.number
        try:
            future = self._futures.restore(job, subject.created)
            before = states(prefixes_of(future.deps))
            found = self.budget.run(lambda: _value_or_none(future))
            if found is None:
                return Finding(job, number, "pending", states=before)
            value, events = self._encode(job, found[0], subject.terms)
            return Finding(job, number, "settled", Settlement(value, None), events)
        except (FutureFailed, FutureRefused, DependencyGone) as failure:
            return Finding(job, number, "settled", Settlement.failed(FUTURE_FAILED, _text(failure)))
        except ValueRefused as refused:
            text = f"its value cannot cross to the guest: {refused}"
            return Finding(job, number, "settled", Settlement.failed(FUTURE_FAILED, text))
        except ToolMissing as missing:
            return Finding(job, number, "troubled", trouble=str(missing))
        except OutOfTime:
            return Finding(job, number, "troubled", trouble="took too long and was interrupted")
        except BaseException as error:  # application code ran; it harms its own future only
            log.info("future %d of %s raised", number, job, exc_info=error)
            return Finding(job, number, "troubled", trouble=f"{type(error).__name__}: {_text(error)}"[:TEXT_LIMIT])


def states(prefixes: Iterable[str]) -> dict[str, int]:
    """Return the state numbers of these prefixes."""
    return {prefix: state_of(prefix) for prefix in prefixes}


def _value_or_none(future: FutureResult) -> tuple[Any] | None:
    """Return the value in a tuple, or None while there is none."""
    try:
        return (future.value,)
    except FutureError:
        return None


def _text(error: BaseException) -> str:
    """Return an error's text, which application code makes and may fail to."""
    try:
        return str(error)[:TEXT_LIMIT].encode("utf-8", "backslashreplace").decode()
    except Exception as failure:  # noqa: BLE001 - application code ran
        return f"(its text cannot be had: {type(failure).__name__})"
