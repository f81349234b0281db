"""What may an interpreter change in the variables that are kept for its job? Pure."""

from __future__ import annotations

from statek.core import transient
from statek.core.decisions import LeaseFault
from statek.core.events import CheckpointTaken
from statek.core.jobs import RunningBatch, digest
from statek.core.workspaces import Manifest, StoredSegment, WorkspaceChange
from statek_policies import Limits
from statek_protocol.messages.interpreter import Segment, Snapshot


def take(manifest: Manifest, snapshot: Snapshot, *, limits: Limits, batch: int) -> WorkspaceChange:
    """Hold a snapshot against what an honest interpreter can send in that batch; raises `LeaseFault`."""
    numbers = [segment.number for segment in snapshot.segments]
    if len({*numbers, *snapshot.dropped}) < len(numbers) + len(snapshot.dropped):
        raise LeaseFault("a snapshot that mentions a segment twice")
    for segment in snapshot.segments:
        _check_batches(segment, batch)
    stored = tuple((StoredSegment(s.number, digest(s.data), len(s.data), s.batches), s.data) for s in snapshot.segments)
    dropped = tuple(number for number in snapshot.dropped if number in manifest.segments)
    after = manifest.changed({kept.number: kept for kept, _ in stored}, dropped)
    if after.size > limits.workspace_bytes:
        raise LeaseFault(f"a workspace of {after.size} bytes, more than the policy allows")
    if len(after.segments) > limits.variables + 1:
        raise LeaseFault(f"a workspace of {len(after.segments)} segments, more than the policy allows variables")
    return WorkspaceChange(stored, dropped, after)


def _check_batches(segment: Segment, batch: int) -> None:
    if len(set(segment.batches)) < len(segment.batches) or max(segment.batches, default=0) > batch:
        raise LeaseFault("a segment that names a batch twice, or one that was not run")


def checkpoint(running: RunningBatch, snapshot: Snapshot, change: WorkspaceChange) -> CheckpointTaken:
    """Make the fact of it; raises `LeaseFault` for one that lies behind the last."""
    if snapshot.instruction < running.instruction:
        raise LeaseFault(f"a checkpoint at instruction {snapshot.instruction}, behind {running.instruction}")
    segments = tuple(kept for kept, _ in change.stored)
    left = transient.kept(snapshot.transient)
    return CheckpointTaken(running.batch, snapshot.instruction, change.manifest.root, segments, change.dropped, left)
