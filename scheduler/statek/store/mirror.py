"""The one thread that owns dbzero: it brings the objects up to the ledger and runs application code among them.

It sleeps until it is told of new events or given a function. Events are applied in steps and functions run between two
steps, so neither waits long for the other. What is applied is committed about once a second: dbzero grows with every
commit, and the ledger already has it all. The cursor moves with every event and is committed with its changes, so
nothing is ever applied twice. Should dbzero fail in use, its store is set aside and made anew from the ledger.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from statek.errors import AppUnusable, StatekError
from statek.store.closed_note import remove_note, write_note
from statek.store.compaction import Compaction, CompactionRules
from statek.store.copies import Copies
from statek.store.copying import Copier, CopyRules
from statek.store.errors import MirrorStopped, ObjectsNotClosed, ObjectsUnusable
from statek.store.history import History
from statek.store.prefixes import recover_prefixes
from statek.store.recovery import RecoveryReport, recover, set_aside, tell
from statek.store.turns import Activity, Ran, Task, commit, fail, run

if TYPE_CHECKING:
    from statek.store.session import Session

T = TypeVar("T")
log = logging.getLogger(__name__)

THREAD_NAME: Final = "statek-dbzero"
COMMIT_SECONDS: Final = 1.0

_STEP_SIZES: Final = (20, 10)
"""Events per step, at first and after dbzero failed: some of its failures depend on what is changed together. A step
takes some 5 ms, for which the loop has to share the interpreter's lock."""
_GIVE_WAY_SECONDS: Final = 0.02
"""How long a step or commit waits for the loop to come to rest."""
_GROUP_SECONDS: Final = 0.005
"""How long a change that is to be durable may wait for others to be committed with it; a commit takes about as long."""
_GATHER_SECONDS: Final = 0.05
_GATHERED: Final = 100
"""So long, or until they are so many, events wait for others to be applied with them, unless somebody waits for the
objects: what applies them takes a processor and the interpreter's lock from the loop, just when jobs go on."""
_ABANDON_SECONDS: Final = 10.0
"""How long `stop` waits for the commit once it has given up catching up."""


class Mirror:
    """dbzero's owner, as the scheduler's loop sees it. Its public methods may be called from any thread."""

    def __init__(
        self,
        directory: Path,
        ledger_path: Path,
        on_failure: Callable[[BaseException], None],
        *,
        on_recovery: Callable[[RecoveryReport], None] = lambda _: None,
        on_open: Callable[[History], None] = lambda _: None,
        on_copy_trouble: Callable[[str, str], None] = lambda *_: None,
        resting: threading.Event | None = None,
        commit_seconds: float = COMMIT_SECONDS,
        copy_rules: CopyRules = CopyRules(),  # noqa: B008 - frozen
        compaction_rules: CompactionRules = CompactionRules(),  # noqa: B008
    ) -> None:
        """`on_failure` is called in the mirror's thread when it ends without having been asked to.

        `on_recovery` is called there whenever a store was set aside; `on_open` whenever dbzero was opened, with the
        ledger as this thread reads it. A `StatekError` of `on_open` ends the thread. `on_copy_trouble`, in any thread,
        takes the name of an application's prefix that could not be copied, and why. `resting` is set while the loop has
        nothing to do: events wait for that, for a moment. The loop gives the interpreter's lock away in each statement
        of SQLite, and would get it back late each time.
        """
        self.ready = threading.Event()
        """Set once dbzero is open: functions run from then on, while events may still be caught up with."""
        self.recovery: RecoveryReport | None = None
        """The last time that a store had to be made anew, in this run."""
        self.listeners: list[Callable[[], None]] = []
        """Called in the mirror's thread when a function has run there that may have changed something."""
        self._directory = directory
        self._ledger_path = ledger_path
        self._on_failure = on_failure
        self._on_recovery = on_recovery
        self._on_open = on_open
        self._resting = resting
        self._commit_seconds = commit_seconds
        self._copies = Copies(directory.with_name("copies"))
        self._copier = Copier(directory, self._copies, copy_rules, on_copy_trouble)
        self._compaction = Compaction(directory, ledger_path, compaction_rules)
        self._thread = threading.Thread(target=self._main, name=THREAD_NAME, daemon=True)
        self._changed = threading.Condition()
        self._known = 0
        self._applied = 0
        self._wanted = self._gathered = 0
        self._doing, self._since = "", time.monotonic()
        self._tasks: deque[Task] = deque()
        self._stopping = self._abandoned = self._ended = False

    def start(self) -> None:
        """Begin; returns at once. dbzero is imported, probed and opened in the thread."""
        self._thread.start()

    def notify(self, cursor: int) -> None:
        """Say that the ledger goes at least to this event."""
        with self._changed:
            self._known = max(self._known, cursor)
            self._changed.notify_all()

    def submit(self, run: Callable[[], T], *, durable: bool = False, quiet: bool = False) -> Future[T]:
        """Run a function in the dbzero thread, one at a time and in order; its outcome is the future's.

        What it changes in dbzero is committed within about a second, or before the future is done when `durable`. Those
        in `listeners` are told of it, unless it is `quiet` because it only looks.
        The objects may lie behind the ledger; `wait_until` tells. Raises `MirrorStopped` when the thread has ended.
        """
        future: Future[T] = Future()
        with self._changed:
            if self._stopping or self._ended:
                raise MirrorStopped
            self._tasks.append(Task(run, durable, quiet, future))
            self._changed.notify_all()
        return future

    @property
    def activity(self) -> Activity:
        """Return what the thread does now, since when, and what waits for it."""
        with self._changed:
            behind = max(0, self._known - self._applied)
            return Activity(self._doing, time.monotonic() - self._since, len(self._tasks), behind)

    @property
    def copy_seconds(self) -> float | None:
        """Return the age of the oldest among the newest copies of the application's prefixes; None without any."""
        return self._copier.age

    def _does(self, what: str) -> None:
        with self._changed:
            self._doing, self._since = what, time.monotonic()

    def wait_until(self, cursor: int, timeout: float) -> bool:
        """Wait until the objects show this event, or the mirror has ended, or time is over; tell whether they do."""
        with self._changed:
            self._wanted = max(self._wanted, cursor)
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._applied >= cursor or self._ended, timeout)
            return self._applied >= cursor

    def stop(self, timeout: float) -> bool:
        """Catch up, commit, close dbzero and end; tell whether the thread has ended.

        When time is over it commits what it has and leaves the rest to the next start. A function that hangs cannot be
        ended; the thread is then left behind (False), and the next start finds the last commit.
        """
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.ident is None:
            return True
        self._thread.join(timeout)
        if self._thread.is_alive():
            with self._changed:
                self._abandoned = True
                self._changed.notify_all()
            self._thread.join(_ABANDON_SECONDS)
        return not self._thread.is_alive()

    def _main(self) -> None:
        try:
            with History.read(self._ledger_path) as ledger:
                self._keep(ledger)
        except BaseException as error:
            if not isinstance(error, AppUnusable):  # whoever started us is told, and it is nothing of ours
                log.exception("the dbzero thread ends")
            self._end()
            self._on_failure(error)
        else:
            self._end()

    def _keep(self, ledger: History) -> None:
        """Serve until told to stop; make the store anew where dbzero fails, and give up when that does not help."""
        self._take_report(recover(self._directory, ledger))
        for lost in recover_prefixes(self._directory, self._copies, ledger):
            self._on_recovery(lost)
        self.notify(ledger.last_cursor)
        self._compaction.start(ledger)
        for step_size in _STEP_SIZES:
            try:
                self._serve(ledger, step_size)
            except ObjectsNotClosed as error:
                self._set_aside(error, ledger)
                raise ObjectsUnusable(self._directory, str(error)) from error
            except StatekError:
                raise  # the ledger's trouble or our own bug; a new store would meet it again
            except Exception as error:
                log.exception("dbzero failed in use")
                self._set_aside(error, ledger)
                failure = error
            else:
                return
        raise ObjectsUnusable(self._directory, str(failure)) from failure

    def _set_aside(self, error: Exception, ledger: History) -> None:
        reason = f"dbzero failed in use: {str(error).strip()}"
        self._take_report(tell(set_aside(self._directory, reason, self._applied, ledger.last_cursor)))

    def _take_report(self, report: RecoveryReport | None) -> None:
        self.recovery = report
        if report is not None:
            self._on_recovery(report)

    def _serve(self, ledger: History, step_size: int) -> None:
        from statek.store.session import Session  # here, because the command must not wait for dbzero's import

        remove_note(self._directory)
        session = Session(self._directory, self._commit_seconds)
        try:
            self._tell_applied(session.cursor)
            self._on_open(ledger)
            session.forget_markers()
            self._copier.opened()
            self.ready.set()
            while self._wait(session.seconds_to_commit, self._copier.seconds_to_copy, self._compaction.seconds_to_look):
                self._run_tasks(session)
                self._step(session, ledger, step_size)
                if session.seconds_to_commit == 0.0:
                    self._give_way()
                self._does("commit")
                session.commit_if_due()
                if not self._behind:
                    self._compaction.caught_up(ledger, session.commit)
                self._compact(session, ledger, step_size)
                self._copier.copy_if_due(self._known, session.commit)
            found = session.findings
        finally:
            self._compaction.stop()
            session.close()
        write_note(self._directory, found)
        self._copier.close(self._known)

    def _compact(self, session: Session, ledger: History, step_size: int) -> None:
        self._does("compaction")
        if self._compaction.compact(session, ledger, step_size):
            self._tell_applied(session.cursor)

    def _wait(self, *seconds: float | None) -> bool:
        """Sleep until there is something to do, at most the least of these seconds; False when it is time to close."""
        self._does("")
        with self._changed:
            self._changed.wait_for(lambda: self._tasks or self._behind or self._stopping, _least(seconds))
            if self._behind and self._applied >= self._gathered:
                self._changed.wait_for(self._has_gathered, _GATHER_SECONDS)
                self._gathered = self._known
            unfinished = (self._behind and not self._abandoned) or bool(self._tasks)
            return unfinished or not self._stopping

    @property
    def _behind(self) -> bool:
        return self._known > self._applied

    def _has_gathered(self) -> bool:
        wanted = self._wanted > self._applied or self._known - self._applied >= _GATHERED
        return wanted or bool(self._tasks) or self._stopping

    def _run_tasks(self, session: Session) -> None:
        """Run the functions that wait now, and make what they changed durable in one commit where they ask for it.

        Whoever changed nothing, or asked for nothing, has its outcome at once. Those that come meanwhile, or that are
        left when the others have waited long enough, wait for the next turn.
        """
        group: list[Ran] = []
        until = time.monotonic() + _GROUP_SECONDS
        for _ in range(len(self._tasks)):
            ran = self._run_next(session, group)
            if ran is None:
                continue
            self._copier.changed(ran.changed)
            if ran.durable and ran.changed:
                group.append(ran)
            else:
                ran.deliver()
            if not ran.quiet:
                self._tell_listeners()
            if group and time.monotonic() > until:
                break
        commit(group, session)

    def _run_next(self, session: Session, group: list[Ran]) -> Ran | None:
        """Run the next function unless it was called off; where dbzero itself fails, what was to be durable is told."""
        ran: Ran | None = None
        try:
            with session.tracked() as changed:  # where this cannot even begin, the function stays in the queue
                task = self._tasks.popleft()
                if task.future.set_running_or_notify_cancel():
                    self._does("function")
                    ran = run(task, changed)
        except BaseException as error:
            if ran is not None and not ran.durable:
                ran.deliver()
            fail([*group, *([ran] if ran is not None and ran.durable else [])], error)
            raise
        return ran

    def _tell_listeners(self) -> None:
        for listener in self.listeners:
            listener()

    def _step(self, session: Session, ledger: History, step_size: int) -> None:
        if not self._behind or self._abandoned:
            return
        self._give_way()
        self._does("objects")
        session.apply_next(ledger, step_size)
        self._tell_applied(session.cursor)

    def _give_way(self) -> None:
        """Wait until the loop rests, for a moment: objects follow also when it never does."""
        if self._resting is not None:
            self._resting.wait(_GIVE_WAY_SECONDS)

    def _tell_applied(self, cursor: int) -> None:
        with self._changed:
            self._applied = cursor
            self._changed.notify_all()

    def _end(self) -> None:
        """Nothing is run any more; whoever waits is told."""
        with self._changed:
            self._ended = True
            tasks = list(self._tasks)
            self._tasks.clear()
            self._changed.notify_all()
        for task in tasks:
            if task.future.set_running_or_notify_cancel():
                task.future.set_exception(MirrorStopped())


def _least(seconds: Iterable[float | None]) -> float | None:
    return min((some for some in seconds if some is not None), default=None)
