"""Running one instruction batch: compile, execute, checkpoint between statements, and say how it ended.

Runs inside the wall.
"""

from __future__ import annotations

import mmap
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import perf_counter
from types import TracebackType
from typing import Final, Literal, TypeVar

from statek_executor.errors import ChannelClosed, ReplayDiverged
from statek_executor.interpreter.host import GuestHost, violated_message, wire_text
from statek_executor.interpreter.session import Session, WorkspaceTooLarge
from statek_executor.interpreter.soft_limits import SoftLimits
from statek_policies.language import (
    CompiledBatch,
    GuestExit,
    PolicyViolation,
    SourceInvalid,
    SourceRefused,
    SourceTooLarge,
)
from statek_policies.language.tracebacks import raw_traceback
from statek_protocol.messages.base import EXIT_STATUS_LIMIT, NAME_LIMIT
from statek_protocol.messages.interpreter import (
    Checkpoint,
    Failed,
    Finished,
    GuestError,
    LimitBreach,
    Run,
)

BALLAST_BYTES: Final = 4 * 1024 * 1024
"""Kept aside so that a batch which has eaten all its memory can still be reported."""
WORTH_FACTOR: Final = 10
"""A checkpoint is taken when what would be lost took this many times as long as encoding will."""
WORTH_SECONDS: Final = 0.05
"""Nothing shorter than this is worth a checkpoint."""

Outcome = Literal["ok", "error", "blocked", "limit"]
S = TypeVar("S")


@dataclass(frozen=True, slots=True)
class _End:
    """How a batch came to its end."""

    outcome: Outcome = "ok"
    error: GuestError | None = None
    limit: LimitBreach | None = None
    exited: bool = False
    exit_status: str | None = None


_AS_IT_SHOULD: Final = _End()


class Boundary:
    """What the code of a batch asks for its truth before some instructions: our own code between two of the guest's."""

    __slots__ = ("_come_to", "_first", "_limits", "_starts", "_stop", "due", "position")

    def __init__(self, limits: SoftLimits, stop: Callable[[], None]) -> None:
        self._limits = limits
        self._stop = stop
        self._first = self._come_to = 0
        self._starts: tuple[int, ...] = ()
        self.position = 0
        """All instructions before this one are done, and none from it on where the guest stands at a boundary."""
        self.due = 0.0
        """When to stop next, on the performance counter."""

    def begin(self, first: int) -> None:
        """Let the next batch begin with this instruction."""
        self._first = self.position = first
        self._starts, self._come_to = (), 0

    def follow(self, compiled: CompiledBatch) -> None:
        """Stand at the boundaries of this code."""
        self._starts = (*compiled.starts, len(compiled.lines))

    @property
    def instruction(self) -> int:
        """The one that the guest is in, or comes to next: the last before the next boundary, for it may take long."""
        return max(self._first, self._starts[self._come_to] - 1) if self._come_to else self.position

    def end(self) -> None:
        """Come to the end of the batch."""
        self.position = self._starts[-1]

    def __bool__(self) -> bool:
        """Come to the next boundary, and say whether what follows is to be executed."""
        place = self._come_to
        self._come_to = place + 1
        start = self._starts[place]
        if start < self._first:
            return False
        self.position = start
        if perf_counter() < self.due:
            return True
        self._limits.leave_guest()
        self._stop()
        self._limits.enter_guest()
        return True


class BatchRunner:
    """Runs the batches of one session, one after the other."""

    def __init__(self, session: Session, host: GuestHost, limits: SoftLimits) -> None:
        self._session = session
        self._host = host
        self._limits = limits
        self._batch = 0
        self._ballast: mmap.mmap | None = _ballast()
        self._encode_seconds = 0.001
        self._worth_seconds = WORTH_SECONDS
        self._boundary = Boundary(limits, self._checkpoint_if_worth)
        session.environment.stop_at(self._boundary)
        host.instruction = lambda: self._boundary.instruction

    def run(self, run: Run) -> None:
        """Run a batch from its first instruction and report its end."""
        self._host.begin_batch(run.batch, run.first_call)
        self._host.observations.begin(run.observed)
        self._boundary.begin(run.first_instruction)
        if run.first_instruction:
            self._session.begin_at(run.batch, run.first_instruction)
            self._session.resume_inside_batch()
        try:
            compiled = self._session.compile(run.batch, run.name, run.source)
        except SourceRefused as refusal:
            for violation in refusal.violations:
                self._host.send(violated_message(run.batch, violation))
            self._host.send(Finished(run.batch, "blocked", None, None, None))
        except SourceInvalid as error:
            found = GuestError(error.type, wire_text(error.message), error.line)
            self._host.send(Finished(run.batch, "error", found, None, None))
        except SourceTooLarge as error:
            breach = LimitBreach(error.name, error.allowed, error.used)
            self._host.send(Finished(run.batch, "limit", None, breach, None))
        else:
            self._report(run, self._execute(run, compiled))

    def _execute(self, run: Run, compiled: CompiledBatch) -> _End:
        """Execute the instructions; whatever the guest raises becomes a value here."""
        self._batch = run.batch
        self._put_off_checkpoint()
        self._session.note_touched()
        self._boundary.follow(compiled)
        try:
            self._limits.enter_guest()
            exec(compiled.code, self._session.globals)  # noqa: S102 - the point of it all
            self._limits.leave_guest()
            self._boundary.end()
        except ChannelClosed:
            raise
        except BaseException as error:  # noqa: BLE001 - the guest may raise anything
            self._limits.leave_guest()
            return self._ended_by(compiled, error)
        return self._soft_limit_or(_AS_IT_SHOULD)

    def _ended_by(self, compiled: CompiledBatch, error: BaseException) -> _End:
        """Tell what an exception that left guest code means for the batch, by its class: it may lie about itself."""
        kind, name = type(error), compiled.name
        if issubclass(kind, MemoryError):
            self._ballast = None  # before all else, which may need memory
        self._boundary.position = self._stood_at(error, compiled)
        if issubclass(kind, MemoryError):
            described = self._describe(error, name)
            _drop_frames(error)
            return self._at_limit(_End(error=described), "memory_bytes")
        if issubclass(kind, GuestExit):
            return self._soft_limit_or(_End(exited=True, exit_status=_exit_status(error)))
        if issubclass(kind, SystemExit) and _is_zero(error):
            return self._soft_limit_or(_End(exited=True))
        if issubclass(kind, PolicyViolation):
            return self._soft_limit_or(_End("blocked", self._describe(error, name)))
        return self._soft_limit_or(_End("error", self._describe(error, name)), self._host.limit_of(error))

    def _stood_at(self, error: BaseException, compiled: CompiledBatch) -> int:
        """Tell in which instruction the guest was: of those behind one boundary the one at the line that raised."""
        boundary = self._boundary
        line = next((step.tb_lineno for step in _steps(error) if step.tb_frame.f_code is compiled.code), None)
        if line is None:
            return boundary.instruction
        place = bisect_right(compiled.lines, line) - 1
        return min(max(place, boundary.position), boundary.instruction)

    def _describe(self, error: BaseException, name: str) -> GuestError:
        """Turn a guest's exception into data: its class's name, its text, and the batch's line that it came through."""
        return GuestError(_name_of(error), wire_text(self._text_of(error)), _line_of(error, name))

    def _text_of(self, error: BaseException) -> str:
        """Ask the exception for its text; a guest's own `__str__` may raise anything, or run until a limit."""
        try:
            self._limits.enter_guest()
            return str(error)
        except ChannelClosed:
            raise
        except BaseException as failure:  # noqa: BLE001 - guest code ran
            return f"(its text cannot be had: {_name_of(failure)})"
        finally:
            self._limits.leave_guest()

    def _soft_limit_or(self, end: _End, told: str | None = None) -> _End:
        """A batch that reached a soft limit has ended by it, however it went on from there.

        `told` is the limit that the error which ended the batch told it of.
        """
        name = self._limits.reached or told
        if name is None:
            return end
        return self._at_limit(end, name)

    def _at_limit(self, end: _End, name: str) -> _End:
        allowed = getattr(self._session.policy.limits, name)
        return _End("limit", end.error, end.limit or LimitBreach(name, allowed, allowed))

    def _checkpoint_if_worth(self) -> None:
        """Ship a checkpoint when losing what was done since the last one would cost much more than encoding it."""
        if self._host.observations.replaying:
            return
        try:
            snapshot = self._timed(self._session.checkpoint)
        except WorkspaceTooLarge:
            # Said at the end of the batch, if it is still so: what is too large now may be gone by then.
            self._encode_seconds = max(self._encode_seconds, self._worth_seconds)
        else:
            if snapshot is not None:  # otherwise a crash is made up for by a longer replay
                self._host.send(Checkpoint(self._batch, snapshot))
        self._put_off_checkpoint()

    def _put_off_checkpoint(self) -> None:
        """Let the next one be taken when what is done from here on is worth it."""
        self._worth_seconds = max(WORTH_SECONDS, WORTH_FACTOR * self._encode_seconds)
        self._boundary.due = perf_counter() + self._worth_seconds

    def _timed(self, take: Callable[[int], S]) -> S:
        """Take a snapshot where the batch stands, and remember how long that takes."""
        started = perf_counter()
        try:
            return take(self._boundary.position)
        finally:
            self._encode_seconds = perf_counter() - started

    def _report(self, run: Run, end: _End) -> None:
        """Say how the batch ended, together with the variables it leaves."""
        snapshot = None
        try:
            snapshot = self._timed(self._session.final_snapshot)
            self._host.observations.check_all_told()
        except ReplayDiverged as divergence:
            self._host.send(Failed(run.batch, "diverged", str(divergence)))
            return
        except WorkspaceTooLarge as excess:
            end = _End("limit", end.error, end.limit or excess.breach)
        except MemoryError:
            self._ballast = None
            end = self._at_limit(end, "memory_bytes")
        if self._session.cut_short:
            end = self._soft_limit_or(end)
        finished = Finished(run.batch, end.outcome, end.error, end.limit, snapshot, end.exited, end.exit_status)
        self._host.send(finished)
        if snapshot is not None:
            self._settle()
        if self._ballast is None:
            self._ballast = _ballast()

    def _settle(self) -> None:
        """Let the next batch begin from here. All is told, so whoever cannot simply ends."""
        try:
            self._session.settle()
        except MemoryError as full:
            raise ChannelClosed("there is no memory to go on with") from full


def _ballast() -> mmap.mmap:
    """Reserve memory that counts against the limit and that nobody touches: it costs address space and nothing else."""
    return mmap.mmap(-1, BALLAST_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _name_of(error: BaseException) -> str:
    name: str = type.__getattribute__(type(error), "__name__")
    return wire_text(name)[:NAME_LIMIT] or "Exception"


def _exit_status(error: BaseException) -> str | None:
    """Make what the guest ended its job with fit for the wire, which cannot carry lone surrogates.

    A guest that has caught one such error can raise another, of its own making; one without a text has none to tell.
    """
    text = object.__getattribute__(error, "__dict__").get("text")
    if type(text) is not str:
        return None
    return text.encode("utf-8", "backslashreplace").decode()[:EXIT_STATUS_LIMIT]


def _is_zero(error: BaseException) -> bool:
    """Tell whether it means a quiet end, without a look at attributes or equality of the guest's making."""
    code = SystemExit.__dict__["code"].__get__(error)  # the field of the C structure
    return code is None or (type(code) in (int, bool) and code == 0)


def _line_of(error: BaseException, filename: str) -> int | None:
    lines = [step.tb_lineno for step in _steps(error) if step.tb_frame.f_code.co_filename == filename]
    return lines[-1] if lines else None


def _steps(error: BaseException) -> Iterator[TracebackType]:
    """Follow an error's way from our own code inward, without a look at attributes of the guest's making."""
    step = raw_traceback(error)
    while step is not None:
        yield step
        step = step.tb_next


def _drop_frames(error: BaseException) -> None:
    """Let go of the guest's frames, and with them of what filled the memory, whatever its class does with stores."""
    for name in ("__traceback__", "__context__", "__cause__"):
        BaseException.__dict__[name].__set__(error, None)
