"""Application code under a time budget: it is interrupted where Python can be, and nothing else ever is.

Interrupting means raising an exception in another thread, which Python does at some point after it was asked to. So
both sides hold a lock: nobody asks but while the guarded function runs, at most once for each run, and a run that was
asked for is over only when nothing is left to be raised. That is not taken back: CPython 3.11 would go on looking for
it at every call, and loop for ever in the first one that a debugger or profiler follows. Code that hangs in C is not
interrupted until it comes back; until then `running` says how long it has been there.
"""

from __future__ import annotations

import ctypes
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")


class _OutOfTime(BaseException):
    """Raised inside the function that took too long; a BaseException, so that few functions swallow it."""


class OutOfTime(Exception):
    """The function took longer than its budget and was interrupted."""


class Budget:
    """Runs functions in one thread that another thread may interrupt."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None
        self._since = 0.0
        self._asked = False
        self._runs = 0

    def run(self, function: Callable[[], T]) -> T:
        """Call the function; raises what it raises, and `OutOfTime` when it was interrupted."""
        try:
            try:
                self._begin()  # from here on it may be interrupted, so both handlers are in place
                return function()
            finally:
                self._end()
        except _OutOfTime:
            self._end()  # it may have come in the middle of the first one
            raise OutOfTime from None

    def running(self) -> tuple[int, float] | None:
        """Return the number of the run under way and how long it has taken so far, in seconds."""
        with self._lock:
            return None if self._thread is None else (self._runs, time.monotonic() - self._since)

    def interrupt(self, run: int) -> None:
        """Interrupt that run, if it is still under way and was not interrupted before."""
        with self._lock:
            if self._thread is not None and self._runs == run and not self._asked:
                self._asked = True
                _raise_in(self._thread)

    def _begin(self) -> None:
        with self._lock:
            self._thread, self._since, self._asked = threading.get_ident(), time.monotonic(), False
            self._runs += 1

    def _end(self) -> None:
        with self._lock:
            self._thread = None  # from here on nobody asks
        if self._asked:
            _raise_here()
            self._asked = False


def _raise_in(thread: int) -> None:
    raising: Any = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raising(ctypes.c_ulong(thread), ctypes.py_object(_OutOfTime))


def _raise_here() -> None:
    """Let what is left to be raised in this thread be raised now: it has room for one, whose place this one takes."""
    try:
        _raise_in(threading.get_ident())
        while True:
            pass
    except _OutOfTime:
        pass
