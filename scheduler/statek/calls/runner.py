"""Makes calls for guests: tools and operations on objects, each in its place, and brings what came of them back.

Operations on objects, and ordinary tools, run one at a time in the thread that owns dbzero, so tools may use application
objects freely. Tools marked `thread=True` run in threads of their own, async ones on the scheduler's loop. What a call
changed in dbzero is committed before its answer becomes durable. A tool that raises has still been called once: its
error crosses as data.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from statek.calls.application import Application
from statek.calls.handles import HandleTables
from statek.calls.outcomes import CallOutcome, failed, raised
from statek.calls.places import Abandoned, LeftBehind, Threads, TimeIsOver, in_time, tracked
from statek.calls.tools import Tool
from statek.composing import Offered
from statek.core.events import CallAnswered, Event, HandleBound, PolicyViolated
from statek.core.instructions import RunTool
from statek.core.jobs import Job
from statek.futures.registry import Futures, Terms
from statek_policies import Limits, Policy
from statek_protocol.messages.base import TEXT_LIMIT
from statek_protocol.operations import OBJECT_OPERATIONS, SLEEP
from statek_protocol.references import PlainReferences
from statek_protocol.values import MalformedValue, ValueRefused, decode_value, encode_value

if TYPE_CHECKING:
    from statek.calls.space import ObjectCall, ObjectSpace

log = logging.getLogger(__name__)

READ_AT_ONCE_BYTES: Final = 16 * 1024
"""Larger arguments are read beside the loop: a megabyte of the costliest values takes a second to read."""
TIMEOUT_SECONDS: Final = 300.0
"""How long a call may take where neither the tool nor the service says."""
_REFERENCES: Final = PlainReferences()

OnAnswer = Callable[[str, CallAnswered, tuple[Event, ...]], None]
OnGiven = Callable[[str, tuple[str, ...], bytes | None, tuple[Event, ...]], None]
Recorded = Callable[[str], list[HandleBound]]


class ApplicationThread(Protocol):
    """The one thread that owns dbzero and runs application code."""

    def submit(self, run: Callable[[], Any], *, durable: bool = False) -> Future[Any]:
        """Run the function there; what it changed is committed before the future is done when `durable`."""


@dataclass(frozen=True, slots=True)
class CallKey:
    """What names a call for ever: the same one in every replay."""

    job: str
    batch: int
    number: int

    def __str__(self) -> str:
        return f"{self.job}/{self.batch}/{self.number}"


class ToolRunner:
    """Starts calls and brings their outcomes back; knows which are under way in this process."""

    def __init__(
        self,
        application: Application,
        thread: ApplicationThread,
        on_answer: OnAnswer,
        *,
        futures: Futures,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self._application = application
        self._thread = thread
        self._on_answer = on_answer
        self._futures = futures
        self._timeout_seconds = timeout_seconds
        self.tables = HandleTables(lambda _: [])
        """Belongs to dbzero's thread, which says by `reopen` where they come from."""
        self.left_behind = LeftBehind()
        """Calls that did not end in their time and still run."""
        self._space: ObjectSpace | None = None
        self._threads = Threads()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="arguments")
        """One thread, so that what hostile arguments may become in memory is there once."""
        self._running: dict[CallKey, asyncio.Task[None]] = {}
        self._giving: set[asyncio.Task[None]] = set()

    @property
    def offered(self) -> Offered:
        """Return what guests find in their namespaces."""
        offer = self._application.offer
        return Offered(offer.tools.names, tuple(offer.tools.temporals), tuple(offer.variables))

    def has_more_for(self, job: Job) -> bool:
        """Tell whether the application exports variables that the job was not given yet; between batches only."""
        return job.running is None and not self._application.offer.variables.keys() <= set(job.offered)

    def give_variables(self, job: Job, on_given: OnGiven) -> None:
        """Let the variables cross that the job was not given yet; they come by the callback."""
        task = asyncio.create_task(self._give(job, on_given))
        self._giving.add(task)
        task.add_done_callback(self._giving.discard)

    async def _give(self, job: Job, on_given: OnGiven) -> None:
        names = tuple(name for name in self._application.offer.variables if name not in job.offered)
        outcome: CallOutcome = await self._submit(lambda: self._in_space().variables(self.tables.of(job.job), names))
        if outcome.error is not None:  # what cannot cross at all is refused when the application is loaded
            log.error("%s gets none of the application's variables: %s", job.job, outcome.error.message)
        on_given(job.job, names, outcome.value, outcome.events)

    def start(self, job: Job, call: RunTool, policy: Policy, waited_seconds: float) -> None:
        """Make a call, unless it is under way already; its outcome comes by the callback."""
        key = CallKey(job.job, call.batch, call.number)
        if key in self._running:
            return
        task = asyncio.create_task(self._run(key, job, call, policy, waited_seconds))
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))

    def encode(self, job: str, value: Any, terms: Terms) -> tuple[bytes, tuple[Event, ...]]:
        """Write the value of a future for a job; raises `ValueRefused`. In dbzero's thread."""
        plain = partial(_plain, limits=terms.limits)
        return self._in_space().encode(
            self.tables.of(job), value, terms.limits, lambda: self._futures.registration_on(job, terms, plain)
        )

    async def close(self) -> None:
        """Stop waiting for what is under way; a call without an outcome is unknown after the next start."""
        tasks = [*self._running.values(), *self._giving]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._reader.shutdown(wait=False, cancel_futures=True)

    async def _run(self, key: CallKey, job: Job, call: RunTool, policy: Policy, waited_seconds: float) -> None:
        try:
            outcome = await self._outcome(key, job, call, policy, waited_seconds)
        except Exception as error:  # dbzero's failure: whoever waits is told, and the service ends by itself if it must
            log.exception("call %s could not be made", key)
            text = f"{call.tool}: it could not be brought to an end ({type(error).__name__}); it may have done its work"
            outcome = failed("ToolOutcomeUnknown", text)
        answered = CallAnswered(call.batch, call.number, outcome.value, outcome.error, outcome.rule)
        self._on_answer(key.job, answered, (*outcome.events, *_violation(call, outcome, policy)))

    async def _outcome(
        self, key: CallKey, job: Job, call: RunTool, policy: Policy, waited_seconds: float
    ) -> CallOutcome:
        try:
            args, kwargs = await self._read(call.arguments, policy.limits)
        except (MalformedValue, TypeError) as error:
            return failed("TypeError", f"the arguments cannot be read: {error}")
        if call.tool == SLEEP:
            return await _sleep(args, policy.limits, waited_seconds)
        prepare = partial(self._prepared, job, call, args, kwargs, policy)
        if call.tool in OBJECT_OPERATIONS:
            return await self._in_dbzero(key, call.tool, prepare, lambda space, made: space.operate(made))
        tool = self._application.offer.tools.get(call.tool)
        if not policy.offers_tool(call.tool):  # decided before, and looked at again where it would take effect
            return failed("PolicyViolation", f"the policy does not allow the tool {call.tool!r}")
        if tool is None:
            return failed("NameError", f"there is no tool {call.tool!r}")
        if call.repeated and not (tool.idempotent or tool.transactional):
            text = f"{call.tool}: the scheduler died while it ran; it may or may not have done its work"
            return failed("ToolOutcomeUnknown", text)
        if tool.wants_key:
            kwargs["idempotency_key"] = str(key)
        return await self._call(key, tool, prepare)

    async def _read(self, arguments: bytes, limits: Limits) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if len(arguments) <= READ_AT_ONCE_BYTES:
            return _arguments(arguments, limits)
        return await asyncio.get_running_loop().run_in_executor(self._reader, _arguments, arguments, limits)

    async def _call(self, key: CallKey, tool: Tool, prepare: Callable[[], ObjectCall]) -> CallOutcome:
        """Run a tool in its place."""
        seconds = self._timeout_seconds if tool.timeout_seconds is None else tool.timeout_seconds
        if tool.transactional:
            return await self._in_dbzero(
                key, tool.name, prepare, lambda space, call: space.run_transactional(call, tool), seconds
            )
        if not (tool.thread or tool.is_async):
            return await self._in_dbzero(key, tool.name, prepare, lambda space, call: space.run(call, tool), seconds)
        call = await self._submit(lambda: self._resolved(prepare()))
        if isinstance(call, CallOutcome):
            return call
        try:
            result = await self._elsewhere(key, tool, call, seconds)
        except Abandoned as abandoned:
            return failed(*abandoned.told)
        except BaseException as error:  # also a SystemExit: a tool that wants to leave does not take us with it
            if _is_our_own_end(error):
                raise
            log.info("tool %s raised", tool.name, exc_info=error)
            return raised(error)
        return await self._crossed(call, result)

    async def _elsewhere(self, key: CallKey, tool: Tool, call: ObjectCall, seconds: float) -> Any:
        if tool.is_async:
            try:
                async with asyncio.timeout(seconds) as timer:
                    return await tool.function(*call.args, **call.kwargs)
            except TimeoutError:
                if not timer.expired():
                    raise
                raise TimeIsOver(
                    tool.name, seconds, "it was cancelled, and may or may not have done its work"
                ) from None
        self.left_behind.check(tool.name)
        started = self._threads.start(partial(tool.function, *call.args, **call.kwargs), tool.name)
        return await in_time(started, tool.name, seconds, self.left_behind, str(key))

    async def _crossed(self, call: ObjectCall, result: Any) -> CallOutcome:
        """Let a result cross that did not come from dbzero's thread; a plain one needs nothing of that thread."""
        limits = call.policy.limits
        try:
            value = encode_value(result, max_bytes=limits.argument_bytes, max_depth=limits.argument_depth)
        except ValueRefused:
            crossed: CallOutcome = await self._submit(lambda: self._in_space().cross(call, result))
            return crossed
        return CallOutcome(value, None)

    async def _in_dbzero(
        self,
        key: CallKey,
        name: str,
        prepare: Callable[[], ObjectCall],
        run: Callable[[ObjectSpace, ObjectCall], CallOutcome],
        seconds: float | None = None,
    ) -> CallOutcome:
        started = tracked(self._submit_durable, lambda: run(self._in_space(), prepare()))
        try:
            outcome: CallOutcome = await in_time(
                started, name, self._timeout_seconds if seconds is None else seconds, self.left_behind, str(key)
            )
        except Abandoned as abandoned:
            return failed(*abandoned.told)
        return outcome

    def _submit_durable(self, run: Callable[[], Any]) -> Future[Any]:
        return self._thread.submit(run, durable=True)

    async def _submit(self, run: Callable[[], Any]) -> Any:
        return await asyncio.wrap_future(self._thread.submit(run))

    # in dbzero's thread

    def reopen(self, recorded: Recorded) -> None:
        """Begin with dbzero as it was just opened; `recorded` gives the handles that are on record for a job."""
        self.tables = HandleTables(recorded)

    def _in_space(self) -> ObjectSpace:
        if self._space is None:
            from statek.calls.space import ObjectSpace  # imports dbzero, which is slow and belongs to this thread

            self._space = ObjectSpace(self._application)
        return self._space

    def _resolved(self, call: ObjectCall) -> ObjectCall | CallOutcome:
        return self._in_space().resolve(call)

    def _prepared(
        self, job: Job, call: RunTool, args: tuple[Any, ...], kwargs: dict[str, Any], policy: Policy
    ) -> ObjectCall:
        from statek.calls.space import ObjectCall

        room = policy.limits.pending_waits - len(job.futures)
        table = self.tables.of(job.job)

        def registration() -> Any:
            return self._futures.registration(
                job.job, registered=job.futures_registered, room=room, encode=partial(_plain, limits=policy.limits)
            )

        return ObjectCall(
            job.job, call.batch, call.number, call.tool, args, kwargs, policy, table, registration,
            job.futures_registered, call.repeated,
        )  # fmt: skip


def _violation(call: RunTool, outcome: CallOutcome, policy: Policy) -> tuple[Event, ...]:
    """Put on record that a call was answered by a rule of the policy."""
    if not outcome.rule or outcome.error is None:
        return ()
    text, consequence = outcome.error.message[:TEXT_LIMIT], policy.on_violation
    return (PolicyViolated(call.batch, outcome.rule, text, None, "scheduler", consequence),)


async def _sleep(args: tuple[Any, ...], limits: Limits, waited_seconds: float) -> CallOutcome:
    """Wait for what is left of the time that a guest asked for, which is no more than the policy has."""
    match args:
        case (int() | float() as seconds,) if 0 <= seconds <= limits.wall_seconds:
            await asyncio.sleep(max(0.0, seconds - waited_seconds))
            return CallOutcome(_plain(None, limits), None)
    return failed("ValueError", f"sleep length must be between 0 and {limits.wall_seconds} seconds")


def _is_our_own_end(error: BaseException) -> bool:
    """Tell the cancellation of a call, when the scheduler stops, from one that happened inside the tool."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _arguments(data: bytes, limits: Limits) -> tuple[tuple[Any, ...], dict[str, Any]]:
    value = decode_value(data, max_bytes=limits.argument_bytes, max_depth=limits.argument_depth, crossing=_REFERENCES)
    match value:
        case (tuple() as args, dict() as kwargs) if all(type(name) is str for name in kwargs):
            return args, kwargs
    raise TypeError("a tuple and a dict of arguments are needed")


def _plain(value: object, limits: Limits) -> bytes:
    return encode_value(value, max_bytes=limits.argument_bytes, max_depth=limits.argument_depth)
