"""A job's futures as dbzero objects: what `awaited_result` of a suspended job is.

An application reads from it what the job waits for and since when, and may ask its condition, in the scheduler's
process and dbzero's thread, where the functions are. Importing this imports dbzero, which is slow.
"""

from __future__ import annotations

from typing import Any, Final

import dbzero as db0

from statek.core.events import FutureCreated
from statek.futures.dependencies import decode_deps
from statek.futures.registry import Futures

PREFIX: Final = "statek"
"""As in `store.objects`, which imports this."""

_here: list[Futures] = []


def answer_conditions_with(futures: Futures | None) -> None:
    """Have these futures answer `check_condition` in this process; None for nobody."""
    _here[:] = [] if futures is None else [futures]


@db0.memo(id="statek/Future", prefix=PREFIX)
class Future:
    """A future of a job that is not resolved, and what is made of it while that is not either."""

    def __init__(self, job_utf8: bytes, number: int, shape: str, function_utf8: bytes, key_utf8: bytes) -> None:
        self.job_utf8 = job_utf8
        self.number = number
        self.shape = shape
        """"temporal", "promise", "any", "all" or "value"."""
        self.function_utf8 = function_utf8
        self.key_utf8 = key_utf8
        self.deps_data = b""
        self.state_num: int | None = None
        self.parts: list[Future] = []
        """What an "any" or "all" is made of."""
        self.created_us = 0
        self.awaited_since_us: int | None = None
        """Since when the job waits for it."""
        self.deadline_us: int | None = None
        self.resolved = False
        self.trouble_utf8 = b""
        """What went wrong the last time that its condition was asked, if something did."""
        self.failures = 0

    @property
    def function(self) -> str:
        """Return the name of the temporal tool whose condition and complement it has."""
        return self.function_utf8.decode("utf-8", "surrogatepass")

    @property
    def key(self) -> str:
        """Return the name under which it can be completed from outside; empty for none."""
        return self.key_utf8.decode("utf-8", "surrogatepass")

    @property
    def trouble(self) -> str:
        return self.trouble_utf8.decode("utf-8", "surrogatepass")

    @property
    def deps(self) -> Any:
        """Return what its condition looks at; raises `DependencyGone`."""
        return decode_deps(self.deps_data) if self.deps_data else None

    def check_condition(self) -> bool:
        """Ask whether the value is there; raises RuntimeError where the application's functions are not."""
        if self.resolved or self.shape in ("value", "promise"):
            return bool(self.resolved)
        if self.shape != "temporal":
            return (any if self.shape == "any" else all)(part.check_condition() for part in self.parts)
        if not _here:
            raise RuntimeError("a condition can be asked in the scheduler's process only")
        created = FutureCreated(
            self.number, "temporal", self.function, self.deps_data, self.state_num, (), self.key, self.deadline_us
        )
        job = self.job_utf8.decode("utf-8", "surrogatepass")
        return bool(_here[0].restore(job, created).check_condition())
