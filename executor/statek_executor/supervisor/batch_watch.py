"""The batch that an interpreter is running, as the supervisor watches it: quota, deadlines, and what it used."""

from __future__ import annotations

import time

from statek_executor.supervisor import metering
from statek_executor.supervisor.deadlines import Deadlines
from statek_executor.supervisor.quotas import BatchQuota
from statek_policies import Policy
from statek_protocol.messages.base import Message
from statek_protocol.messages.executor import Metered
from statek_protocol.messages.interpreter import Run


class BatchWatch:
    """Begins when a `Run` is passed in, ends with `Finished` or with the child."""

    def __init__(self, run: Run, pid: int, policy: Policy) -> None:
        self.batch = run.batch
        self._first_call = run.first_call
        self._pid = pid
        self._last_cpu = 0.0
        self._started, cpu = self.clocks()
        self.quota = BatchQuota(policy.limits, run.printed_bytes, run.printed_lines)
        self.deadlines = Deadlines(
            cpu_limit=policy.limits.cpu_seconds,
            wall_limit=policy.limits.wall_seconds,
            now=self._started,
            cpu=cpu,
        )

    def clocks(self) -> tuple[float, float]:
        """Return the monotonic clock and the child's CPU clock."""
        return time.monotonic(), self._cpu_now()

    @property
    def due_call(self) -> int:
        """The number that the interpreter's next call has."""
        return self._first_call + self.quota.calls

    def count(self, message: Message) -> None:
        """Hold a message of the child against its quota; raises as `BatchQuota.count` does."""
        self.quota.count(message, time.monotonic() - self._started)

    def metered(self, *, final_cpu: float | None = None, final_peak: int | None = None) -> Metered:
        """Say what the batch used; the kernel's own account at a child's death is better than the last look."""
        now, cpu = self.clocks()
        used = self.deadlines.used(now, max(cpu, final_cpu or 0.0))
        return Metered(
            self.batch,
            max(0.0, used["cpu_seconds"]),
            max(0.0, used["wall_seconds"]),
            max(metering.peak_memory_bytes(self._pid), final_peak or 0),
            self.quota.output_bytes,
            self.quota.calls,
        )

    def _cpu_now(self) -> float:
        try:
            self._last_cpu = metering.cpu_seconds(self._pid)
        except ProcessLookupError:
            pass  # it is gone: the last look stands
        return self._last_cpu
