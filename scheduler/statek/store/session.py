"""dbzero opened for writing: what the mirror's thread does with it. Importing this imports dbzero, which is slow."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import dbzero as db0

from statek.agents.replies import unpack
from statek.agents.transcript import ModelTurn
from statek.errors import BugInScheduler
from statek.store import empty_file, markers, projection
from statek.store.chat_items import BatchLogItem
from statek.store.directory import sync_directory
from statek.store.errors import ObjectsNotClosed, StoreDamaged
from statek.store.history import History
from statek.store.holders import holds_queries
from statek.store.objects import PREFIX, Root
from statek.store.prefix_probe import SUFFIX
from statek.store.probe import count_foreign
from statek.store.records import Stored
from statek.store.texts import to_bytes

_UNCOMMITTED_LIMIT: Final = 500
"""Events that may wait for a commit, whatever the time: dbzero has failed on very large uncommitted changes, and holds
the interpreter's lock while it commits."""


class Session:
    """The open store. One at a time in a process, and all of it in one thread."""

    def __init__(self, directory: Path, commit_seconds: float) -> None:
        self._directory = directory
        self._commit_seconds = commit_seconds
        self._changed_at: float | None = None
        self._uncommitted = 0
        self._file = directory / f"{PREFIX}{SUFFIX}"
        directory.mkdir(mode=0o700, exist_ok=True)
        is_new = not self._file.exists()
        db0.init(str(directory), autocommit=False)
        try:
            db0.open(PREFIX, "rw")
            if is_new:
                self.commit()
                empty_file.keep(directory)
            self._root = Root()
            self.commit()
        except BaseException:
            db0.close()
            raise

    @property
    def uuid(self) -> int:
        """Return the uuid of our prefix."""
        return int(db0.get_prefix_stats(PREFIX)["uuid"])

    @property
    def cursor(self) -> int:
        """Return the last event that the objects show."""
        return int(self._root.cursor)

    @property
    def findings(self) -> dict[str, int]:
        """Return what a probe would find in the store once it is closed."""
        jobs, root = int(self._root.job_count), self._root
        counts = {"counted": jobs, "in_dict": len(root.jobs), "by_type": jobs}
        return {**counts, "format": int(root.format), "cursor": int(root.cursor), "checksum": int(root.checksum)}

    @property
    def seconds_to_commit(self) -> float | None:
        """Return how long the next commit can wait; None when there is nothing to commit."""
        if self._changed_at is None:
            return None
        if self._uncommitted >= _UNCOMMITTED_LIMIT:
            return 0.0
        return max(0.0, self._changed_at + self._commit_seconds - time.monotonic())

    def apply(self, events: Sequence[Stored], ledger: History) -> None:
        """Bring the objects forward by some of its events. Where this raises they are in between, and not to be used.

        Nothing is kept before a commit, and the cursor moves with each event; so no `db0.atomic` is needed. There must
        be none: dbzero 0.7.0 loses items of dictionaries and sets that grow inside it.
        """
        self.changed()
        try:
            for stored in events:
                projection.apply(self._root, stored, lambda job, reply: _reply(ledger, job, reply))
        except BaseException:
            self._root.checksum = -1  # of no event: the next start finds that it cannot go on from here
            raise
        self._uncommitted += len(events)

    def apply_next(self, ledger: History, size: int) -> None:
        """Bring the objects forward by the ledger's next events, of which there are some."""
        events = ledger.events(None, self.cursor, size)
        if not events:
            raise BugInScheduler(f"there is more to show than event {self.cursor}, but the ledger ends there")
        self.apply(events, ledger)

    def changed(self) -> None:
        """Say that something may have changed and wants a commit."""
        if self._changed_at is None:
            self._changed_at = time.monotonic()

    @contextmanager
    def tracked(self) -> Iterator[set[str]]:
        """Give a set that holds, after the block, the names of the prefixes that were changed in it.

        Never one inside another: dbzero then waits for itself, as soon as a thread of its own wants to commit.
        """
        changed: set[str] = set()
        markers.settle(changed)  # of a function whose end dbzero did not live to see
        with db0.locked() as changes:
            yield changed
        db0.get_state_num(PREFIX)  # raises where what ran has closed dbzero
        changed.update(prefix for prefix, _ in changes.get_mutation_log())
        markers.settle(changed)
        if changed:
            self.changed()

    def commit_prefixes(self, prefixes: Collection[str]) -> None:
        """Make the changes in these prefixes durable; our own objects wait for their time if not among them."""
        if PREFIX in prefixes:
            self.commit()
            return
        for prefix in sorted(prefixes):
            db0.commit(prefix)

    def forget_markers(self) -> None:
        """Delete the markers of batches that ended before a crash could delete them."""
        markers.forget_ended(self._has_ended)

    def _has_ended(self, job: str, batch: int) -> bool:
        found = self._root.jobs.get(to_bytes(job))
        return found is not None and any(
            isinstance(item, BatchLogItem) and item.batch == batch and item.outcome for item in found.chat_log
        )

    def commit_if_due(self) -> None:
        """Commit when the first uncommitted change is old enough."""
        if self.seconds_to_commit == 0.0:
            self.commit()

    def commit(self) -> None:
        """Make all changes durable, our own and the application's."""
        db0.commit()
        self._changed_at = None
        self._uncommitted = 0

    def has_foreign(self) -> bool:
        """Tell whether there are objects in our prefix that are not ours, or were."""
        return count_foreign() > 0

    def is_held(self) -> bool:
        """Tell whether anybody else in this process refers to an object of ours, a container or a query on them.

        dbzero 0.7.0 ends the process where one of them is touched after its prefix was closed. It counts the objects
        that exist in Python, and one for each class beside those; what is not committed is among them.
        """
        self.commit()
        del self._root
        try:
            db0.clear_cache()
            classes = len(list(db0.get_memo_classes(PREFIX)))
            return int(db0.get_prefix_stats(PREFIX)["gc0"]["size"]) > classes or holds_queries(PREFIX)
        finally:
            self._root = Root()

    def replace(self, file: Path) -> None:
        """Put a file of the same uuid in the place of ours, while all other prefixes stay open; nobody holds an object.

        Raises OSError where it cannot be put there; the objects are then those that they were.
        """
        current = db0.get_current_prefix().name
        self.commit()
        del self._root
        db0.close(PREFIX)
        try:
            file.rename(self._file)
            sync_directory(self._directory)
        finally:
            db0.open(PREFIX, "rw")
            self._root = Root()
            _make_current(current)

    def close(self) -> None:
        """Commit and close; raises `ObjectsNotClosed`. Objects that are still held cannot be used any more."""
        del self._root
        try:
            db0.close()
        except Exception as error:
            raise ObjectsNotClosed(self._directory, str(error)) from error


def _make_current(prefix: str) -> None:
    """Make an open prefix the one that new objects go to where nothing else is said."""
    mutable = {found.name for found in db0.get_mutable_prefixes()}
    db0.open(prefix, "rw" if prefix in mutable else "r")


def _reply(ledger: History, job: str, reply: str) -> ModelTurn:
    """Read what a model said; nothing where it was forgotten meanwhile, as an event to come will say."""
    try:
        return unpack(ledger.blob(reply))
    except StoreDamaged:
        found = ledger.job(job)
        if found is not None and found.status == "FORGOTTEN":
            return ModelTurn("")
        raise
