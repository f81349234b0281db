"""The polite half of a limit: an error in the guest, which it may catch, before the supervisor ends the process.

Signals tell of it: SIGXCPU for cpu_seconds, SIGALRM for wall_seconds. The handlers must be in place before the kernel's
filter is, so `install` runs in the launcher and every child inherits them. An error is raised in guest code only; when
a signal finds our own code at work (sending, encoding), the error waits until that is done.
"""

from __future__ import annotations

import signal
from types import FrameType, TracebackType
from typing import Final

LIMIT_OF_SIGNAL: Final = {signal.SIGXCPU: "cpu_seconds", signal.SIGALRM: "wall_seconds"}


class LimitError(Exception):
    """A limit of the policy is reached. The guest may tidy up and print; no call is served any more in this batch."""


class TimeLimitError(LimitError):
    """cpu_seconds or wall_seconds is reached; a little later the process is ended."""


class SoftLimits:
    """Which soft limit the running batch has reached, and whether guest code is on the stack's top."""

    def __init__(self) -> None:
        self.reached: str | None = None
        self.in_guest = False
        """Whether guest code is at work, and an error can be raised in it."""
        self._due = False

    def install(self) -> None:
        """Put the signal handlers in place."""
        for number in LIMIT_OF_SIGNAL:
            signal.signal(number, self._on_signal)

    def begin_batch(self) -> None:
        self.reached, self._due = None, False

    def enter_guest(self) -> None:
        """Guest code runs from here on; raises the error that waited."""
        self.in_guest = True
        if self._due:
            self._raise()

    def leave_guest(self) -> None:
        self.in_guest = False

    def _on_signal(self, number: int, _frame: FrameType | None) -> None:
        self.reached = self.reached or LIMIT_OF_SIGNAL[signal.Signals(number)]
        self._due = True
        if self.in_guest:
            self._raise()

    def _raise(self) -> None:
        self._due = False
        raise TimeLimitError(f"{self.reached}: the batch has used all that it is allowed")


class HostSection:
    """`with section:` marks our own code, called by the guest, which a signal must not tear apart.

    A guest may also be called by our own code, for the hash of a key or the text of an error; then it stays ours.
    """

    def __init__(self, limits: SoftLimits) -> None:
        self._limits = limits
        self._from_guest = False

    def __enter__(self) -> None:
        self._from_guest = self._limits.in_guest
        self._limits.in_guest = False

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._from_guest:
            self._limits.enter_guest()


SOFT_LIMITS: Final = SoftLimits()
"""The one instance of the process: a signal handler has nobody else to ask."""
