"""What the language needs from the process around it: the only way to the console, the clock and chance."""

from typing import Protocol

from statek_policies.rules import Violation


class Host(Protocol):
    """Implemented by the interpreter process; what is nondeterministic here is what its journal records."""

    def write(self, text: str) -> None:
        """Append to the console."""

    def time_ns(self) -> int:
        """Return the time since the epoch."""

    def monotonic_ns(self) -> int:
        """Return a time that never goes back."""

    def entropy(self, size: int) -> bytes:
        """Return that many random bytes."""

    def sleep(self, seconds: float) -> None:
        """Let that much time pass."""

    def violation(self, violation: Violation) -> None:
        """Take note of a refused attempt, also when guest code swallows the exception."""


class AbsentHost:
    """The host of a guest that no process is around: nothing that it says is heard, and its clock stands still."""

    def write(self, text: str) -> None:
        """Print nothing."""

    def time_ns(self) -> int:
        return 0

    def monotonic_ns(self) -> int:
        return 0

    def entropy(self, size: int) -> bytes:
        return bytes(size)

    def sleep(self, seconds: float) -> None:
        """Go on at once."""

    def violation(self, violation: Violation) -> None:
        """Forget it."""
