"""What can be wrong with a store, one class per situation that an operator can act upon."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from statek.errors import StatekError


class StoreError(StatekError):
    """The root: the store on disk cannot be used as it is."""


class StoreRefused(StoreError):
    """The path is no place for a store. Nothing there was changed; the way out says what would make it one."""

    def __init__(self, path: Path, what: str, way_out: str) -> None:
        super().__init__(f"{path} {what}; {way_out}")
        self.path = path
        self.what = what
        self.way_out = way_out


class StoreLocked(StoreError):
    """Another scheduler runs on the store: stop that one, or talk to it."""

    def __init__(self, path: Path, pid: int | None) -> None:
        holder = "another process" if pid is None else f"process {pid}"
        super().__init__(f"another scheduler runs on {path} ({holder}): stop it first, or submit your jobs to it")
        self.path = path
        self.pid = pid


class StoreDamaged(StoreError):
    """What is on disk cannot be what we wrote. Nothing was changed; the way out says what can be done."""

    def __init__(self, path: Path, what: str, way_out: str) -> None:
        super().__init__(f"{path} is damaged: {what}; {way_out}")
        self.path = path
        self.what = what
        self.way_out = way_out


class StoreVersion(StoreError):
    """The store was written in a format that this release does not know: use the release that wrote it."""

    def __init__(self, found: int, ours: int) -> None:
        release = "newer" if found > ours else "older"
        super().__init__(f"the store has format {found}, this release knows format {ours}: use a {release} release")
        self.found = found
        self.ours = ours


class StoreOutdated(StoreError):
    """A reader met the format before ours: a scheduler of this release adds what is missing when it starts."""

    def __init__(self, path: Path) -> None:
        super().__init__(
            f"{path} is of an earlier release: start a scheduler of this one on it, which brings it up to date"
        )
        self.path = path


class StoreUnwritable(StoreError):
    """Nothing can be written: the disk is full, read-only or failing. What was to be written is not in the store."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot write {path}: {reason}; nothing was changed")
        self.path = path
        self.reason = reason


class StoreUncertain(StoreUnwritable):
    """The disk failed while making a write durable, so only a new start can tell whether it is in the store.

    After a failed fsync the kernel may have dropped the pages and call the next fsync a success, so the ledger takes
    nothing more until it is opened again.
    """

    def __init__(self, path: Path, reason: str) -> None:
        StoreError.__init__(self, f"{path}: {reason} while making a write durable; check the disk and start again")
        self.path = path
        self.reason = reason


class StoreUnreadable(StoreError):
    """The store is there and cannot be opened or read: permissions, a failing disk, a file that is gone."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot read {path}: {reason}")
        self.path = path
        self.reason = reason


class ProbeEnded(StoreError):
    """What reads dbzero's files through was ended from outside, so nobody knows how they are; they stay."""

    def __init__(self, directory: Path, names: Sequence[str], signal_name: str) -> None:
        super().__init__(
            f"the process that reads {', '.join(names)} in {directory} through was ended by {signal_name}, so it is "
            f"not known whether they are whole; try again, with more memory if it ran out"
        )
        self.directory = directory
        self.names = tuple(names)
        self.signal_name = signal_name


class ObjectsUnusable(StoreError):
    """dbzero fails even on a store freshly made from the ledger. Jobs are safe in the ledger; see the cause."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"dbzero cannot be used in {path}: {reason.strip()}; the ledger still holds every job")
        self.path = path
        self.reason = reason


class ObjectsNotClosed(StoreError):
    """dbzero failed while closing, so this process cannot open it again."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"dbzero does not close {path}: {reason.strip()}")
        self.path = path
        self.reason = reason


class MirrorStopped(StoreError):
    """The thread that owns dbzero has ended, so nothing can be run in it any more."""

    def __init__(self) -> None:
        super().__init__("the dbzero thread has ended: start the scheduler again")
