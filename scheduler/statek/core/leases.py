"""A lease in force: what the scheduler knows of one interpreter's conversation, and forgets when the lease ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from statek.core.jobs import Usage
from statek.core.workspaces import Manifest
from statek_policies import Policy


@dataclass(frozen=True, slots=True)
class Lease:
    """How far an interpreter has come in its batch, counted from the start of the batch.

    During a replay these positions run behind those of `RunningBatch`; once they have caught up, whatever the guest
    does is new. Everything here is made anew with the next lease.
    """

    lease: str
    epoch: int
    executor: str
    policy: Policy
    manifest: Manifest = field(default_factory=Manifest)
    """What is kept of the variables; what the interpreter sends is a difference to it."""
    console_bytes: int = 0
    console_lines: int = 0
    console_checksum: int = 0
    calls: int = 0
    violations: int = 0
    awaiting: int | None = None
    """The number of the call whose reply the guest stands still for."""
    metered: Usage | None = None
    """What this attempt used, once the supervisor has told: it has nothing more to do then than end."""

    def allows_tool(self, tool: str) -> bool:
        """Tell whether the policy's patterns name the tool."""
        return any(fnmatchcase(tool, pattern) for pattern in self.policy.tools)


def lease_id(job: str, epoch: int) -> str:
    """Name the lease that a job has in an epoch."""
    return f"{job}.{epoch}"
