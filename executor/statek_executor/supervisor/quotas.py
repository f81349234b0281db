"""How much an interpreter may say in one batch. Pure; an honest one never comes near, a hostile one is ended.

Console output has limits of its own in the policy, and calls are counted by the scheduler. The rest (violations,
checkpoints, observations) becomes durable records, so a compromised interpreter could fill a disk with it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from statek_policies import Limits
from statek_policies.limits import REFUSALS_LIMIT
from statek_protocol.messages.base import Message
from statek_protocol.messages.interpreter import Call, Checkpoint, Console, LimitBreach, Observed, Violated

VIOLATIONS_LIMIT: Final = 1_000
OBSERVED_BYTES_LIMIT: Final = 8 * 1024 * 1024
OBSERVED_RECORDS_LIMIT: Final = 100_000
"""As many as a `Run` can carry back."""
CHECKPOINTS_START: Final = 20
CHECKPOINTS_PER_SECOND: Final = 25
"""The interpreter's own rule takes at most 20 a second."""
OUTPUT_LIMITS: Final = frozenset({"output_bytes", "output_lines"})
"""Limits at which nothing more that the guest printed is passed on."""


class QuotaExceeded(Exception):
    """The interpreter has said more than an honest one can."""


class OutputExceeded(Exception):
    """The guest printed more than its policy allows; `allowed_part` of the last piece still fits, and is counted."""

    def __init__(self, breach: LimitBreach, allowed_part: bytes) -> None:
        super().__init__(breach.name)
        self.breach = breach
        self.allowed_part = allowed_part


@dataclass(slots=True)
class BatchQuota:
    """Counters of one attempt at a batch, against the policy's limits and our own.

    What the batch had printed before the checkpoint that the attempt goes on from counts for the limits of output:
    these are the whole batch's, however often it is taken up again.
    """

    limits: Limits
    printed_bytes: int = 0
    """What the batch had printed before."""
    printed_lines: int = 0
    output_bytes: int = 0
    output_lines: int = 0
    calls: int = 0
    _violations: int = 0
    _observed_bytes: int = 0
    _observed_records: int = 0
    _checkpoints: int = field(default=0)

    def count(self, message: Message, elapsed_seconds: float) -> None:
        """Count one message; raises `OutputExceeded` or `QuotaExceeded`."""
        match message:
            case Console():
                self._count_output(message.data)
            case Call():
                self.calls += 1
                self._hold(self.calls, self.limits.calls + REFUSALS_LIMIT + 1, "calls after the limit was told")
            case Violated():
                self._violations += 1
                self._hold(self._violations, VIOLATIONS_LIMIT, "violations")
            case Observed():
                self._observed_bytes += len(message.data)
                self._observed_records += 1
                self._hold(self._observed_bytes, OBSERVED_BYTES_LIMIT, "bytes of observations")
                self._hold(self._observed_records, OBSERVED_RECORDS_LIMIT, "observations")
            case Checkpoint():
                self._checkpoints += 1
                allowed = CHECKPOINTS_START + CHECKPOINTS_PER_SECOND * elapsed_seconds
                self._hold(self._checkpoints, allowed, "checkpoints")
            case _:
                pass

    @staticmethod
    def _hold(used: float, allowed: float, what: str) -> None:
        if used > allowed:
            raise QuotaExceeded(f"more than {allowed:.0f} {what} in one batch")

    def _count_output(self, data: bytes) -> None:
        if not data:
            raise QuotaExceeded("output without a byte, of which there is no end")
        room_bytes = max(0, self.limits.output_bytes - self.printed_bytes - self.output_bytes)
        room_lines = max(0, self.limits.output_lines - self.printed_lines - self.output_lines)
        lines = data.count(b"\n")
        self.output_bytes += len(data)
        self.output_lines += lines
        if len(data) > room_bytes:
            used = self.printed_bytes + self.output_bytes
            self.output_bytes -= len(data) - room_bytes
            raise OutputExceeded(LimitBreach("output_bytes", self.limits.output_bytes, used), data[:room_bytes])
        if lines > room_lines:
            kept = b"\n".join(data.split(b"\n", room_lines)[:room_lines])
            used = self.printed_lines + self.output_lines
            self.output_bytes -= len(data) - len(kept)
            raise OutputExceeded(LimitBreach("output_lines", self.limits.output_lines, used), kept)
