"""Makes calls for guests: tools and operations on objects, each in its place, and brings what came of them back.

Operations on objects, and ordinary tools, run one at a time in the thread that owns dbzero, so tools may use the
application's objects freely. Tools marked `thread=True` run in threads of their own, async ones on the scheduler's
loop. What a call changed in dbzero is committed before its answer becomes durable. A tool that raises has still been
called once: its error crosses as data.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from statek.calls.application import Application
from statek.calls.arguments import Arguments, read_arguments
from statek.calls.current import within
from statek.calls.giver import Giver
from statek.calls.handles import HandleTable, HandleTables
from statek.calls.offered import Offered
from statek.calls.outcomes import CallOutcome, failed, raised
from statek.calls.places import Abandoned, LeftBehind, Note, Raised, Threads, TimeIsOver, in_time, tracked, tried
from statek.calls.requests import CallRequest
from statek.calls.tools import Tool
from statek.core.events import CallAnswered, Event, HandleBound, PolicyViolated
from statek.core.instructions import RunTool
from statek.core.jobs import Job
from statek.errors import AppUnusable
from statek.futures.registry import Futures, Terms
from statek.store.errors import MirrorStopped
from statek_policies import Limits, Policy
from statek_protocol.messages.base import TEXT_LIMIT
from statek_protocol.operations import OBJECT_OPERATIONS, SLEEP
from statek_protocol.values import MalformedValue, ValueRefused, encode_value

if TYPE_CHECKING:
    from statek.calls.space import ObjectSpace

log = logging.getLogger(__name__)

READ_AT_ONCE_BYTES: Final = 16 * 1024
"""Larger arguments are read beside the loop: a megabyte of the costliest values takes a second to read."""
TIMEOUT_SECONDS: Final = 300.0
"""How long a call may take where neither the tool nor the service says."""

OnAnswer = Callable[[str, CallAnswered, tuple[Event, ...]], None]
Recorded = Callable[[str], list[HandleBound]]


class ApplicationThread(Protocol):
    """The one thread that owns dbzero and runs application code."""

    def submit(self, run: Callable[[], Any], *, durable: bool = False) -> Future[Any]:
        """Run the function there; what it changed is committed before the future is done when `durable`."""


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
        note: Note = lambda *_: None,
    ) -> None:
        self._application = application
        self._thread = thread
        self._on_answer = on_answer
        self._futures = futures
        self._timeout_seconds = timeout_seconds
        self.tables = HandleTables(lambda _: [])
        """Belongs to dbzero's thread, which says by `reopen` where they come from."""
        self.left_behind = LeftBehind(note)
        """Calls that did not end in their time and still run."""
        self._space: ObjectSpace | None = None
        self._threads = Threads()
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="arguments")
        """One thread, so that what hostile arguments may become in memory is there once."""
        self._running: dict[str, asyncio.Task[None]] = {}
        self._asleep: set[str] = set()
        """Those among them that are a guest's sleep."""
        self.giver = Giver(self._submit, self._in_space, lambda job: self.tables.of(job))

    @property
    def offered(self) -> Offered:
        """Return what guests find in their namespaces."""
        offer = self._application.offer
        agents = frozenset(offer.agents)
        return Offered(offer.tools.names, tuple(offer.tools.temporals), tuple(offer.variables), offer.reserved, agents)

    def start(self, job: Job, call: RunTool, policy: Policy, waited_seconds: float) -> None:
        """Make a call, unless it is under way already; its outcome comes by the callback."""
        key = f"{job.job}/{call.batch}/{call.number}"
        if key in self._running:
            return
        task = asyncio.create_task(self._run(key, job, call, policy, waited_seconds))
        self._running[key] = task
        if call.tool == SLEEP:
            self._asleep.add(key)
        task.add_done_callback(lambda _: self._ended(key))

    def _ended(self, key: str) -> None:
        self._running.pop(key, None)
        self._asleep.discard(key)

    def encode(self, job: str, value: Any, terms: Terms) -> tuple[bytes, tuple[Event, ...]]:
        """Write the value of a future for a job; raises `ValueRefused`. In dbzero's thread."""
        plain = partial(_plain, limits=terms.limits)
        return self._in_space().encode(
            self.tables.of(job), value, terms.limits, lambda: self._futures.registration_on(job, terms, plain)
        )

    async def settle(self, seconds: float) -> None:
        """Wait for the calls under way, for so long; those that merely sleep are made again without harm."""
        awake = [task for key, task in self._running.items() if key not in self._asleep]
        if awake:
            await asyncio.wait(awake, timeout=seconds)

    async def close(self) -> None:
        """Stop waiting for what is under way; a call without an outcome is unknown after the next start."""
        tasks = tuple(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, self.giver.close(), return_exceptions=True)
        self._reader.shutdown(wait=False, cancel_futures=True)

    async def _run(self, key: str, job: Job, call: RunTool, policy: Policy, waited_seconds: float) -> None:
        try:
            outcome = await self._outcome_or_error(key, job, call, policy, waited_seconds)
        except MirrorStopped:
            log.warning("call %s has no outcome: the next scheduler finds out what came of it", key)
            return
        answered = CallAnswered(call.batch, call.number, outcome.value, outcome.error, outcome.rule)
        self._on_answer(job.job, answered, (*outcome.events, *_violation(call, outcome, policy)))

    async def _outcome_or_error(
        self, key: str, job: Job, call: RunTool, policy: Policy, waited_seconds: float
    ) -> CallOutcome:
        """Make the call; where dbzero failed and was opened anew under it, make it as one that was begun before."""
        try:
            return await self._outcome(job, call, policy, waited_seconds)
        except Abandoned as abandoned:
            return failed(*abandoned.told)
        except MirrorStopped:
            raise
        except Exception as error:
            log.exception("call %s could not be brought to an end", key)
            if not call.repeated:
                again = replace(call, repeated=True)
                return await self._outcome_or_error(key, job, again, policy, waited_seconds)
            text = f"{call.tool}: it could not be brought to an end ({type(error).__name__}); it may have done its work"
            return failed("ToolOutcomeUnknown", text)

    async def _outcome(self, job: Job, call: RunTool, policy: Policy, waited_seconds: float) -> CallOutcome:
        try:
            arguments = await self._read(call.arguments, policy.limits)
        except (MalformedValue, TypeError) as error:
            return failed("TypeError", f"the arguments cannot be read: {error}")
        if call.tool == SLEEP:
            return await _sleep(arguments.args, policy.limits, waited_seconds)
        request = self._request(job, call, arguments, policy)
        if call.tool in OBJECT_OPERATIONS:
            return await self._in_dbzero(request, lambda space: space.operate(request), self._timeout_seconds)
        tool = self._application.offer.tool_for(job.agent, call.tool)
        if not policy.offers_tool(call.tool):  # decided before, and looked at again where it would take effect
            return failed("PolicyViolation", f"the policy does not allow the tool {call.tool!r}")
        if tool is None:
            return failed("NameError", f"there is no tool {call.tool!r}")
        if call.repeated and not (tool.idempotent or tool.transactional):
            text = f"{call.tool}: the scheduler died while it ran; it may or may not have done its work"
            return failed("ToolOutcomeUnknown", text)
        if tool.wants_key:
            request.kwargs["idempotency_key"] = request.key
        return await self._call(request, tool, has_references=arguments.has_references)

    async def _read(self, arguments: bytes, limits: Limits) -> Arguments:
        if len(arguments) <= READ_AT_ONCE_BYTES:
            return read_arguments(arguments, limits)
        return await asyncio.get_running_loop().run_in_executor(self._reader, read_arguments, arguments, limits)

    async def _call(self, request: CallRequest, tool: Tool, *, has_references: bool) -> CallOutcome:
        """Run a tool in its place."""
        seconds = self._timeout_seconds if tool.timeout_seconds is None else tool.timeout_seconds
        if tool.transactional:
            return await self._in_dbzero(request, lambda space: space.run_transactional(request, tool), seconds)
        if not (tool.thread or tool.is_async):
            return await self._in_dbzero(request, lambda space: space.run(request, tool), seconds)
        if has_references:
            resolved = await self._submit(lambda: self._in_space().resolve(request))
            if isinstance(resolved, CallOutcome):
                return resolved
            request = resolved
        result = await (self._on_loop(request, tool, seconds) if tool.is_async else self._aside(request, tool, seconds))
        if isinstance(result, Raised):
            beside = {"job": request.job, "batch": request.batch}
            log.info("tool %s raised", tool.name, exc_info=result.error, extra=beside)
            return raised(result.error)
        return await self._crossed(request, result)

    async def _on_loop(self, request: CallRequest, tool: Tool, seconds: float) -> Any:
        """Run an async tool, and cancel it when its time is over; one that takes no notice is not waited for."""
        with within(request.job, request.key):
            task = asyncio.create_task(tried(partial(tool.function, *request.args, **request.kwargs)))
        try:
            done, _ = await asyncio.wait((task,), timeout=seconds)
        finally:
            task.cancel()
        if not done:
            raise TimeIsOver(tool.name, seconds, "it was cancelled, and may or may not have done its work")
        return task.result()

    async def _aside(self, request: CallRequest, tool: Tool, seconds: float) -> Any:
        """Run a tool in a thread of its own."""
        self.left_behind.check(tool.name)
        with within(request.job, request.key):
            run = partial(copy_context().run, tool.function, *request.args, **request.kwargs)
        started = self._threads.start(run, tool.name)
        return await in_time(started, tool.name, seconds, self.left_behind, request.key)

    async def _crossed(self, request: CallRequest, result: Any) -> CallOutcome:
        """Let a result cross that did not come from dbzero's thread; a plain one needs nothing of that thread."""
        try:
            return CallOutcome(_plain(result, request.policy.limits), None)
        except ValueRefused:
            crossed: CallOutcome = await self._submit(lambda: self._in_space().cross(request, result))
            return crossed

    async def _in_dbzero(
        self, request: CallRequest, run: Callable[[ObjectSpace], CallOutcome], seconds: float
    ) -> CallOutcome:
        submit = partial(self._thread.submit, durable=True)
        started = tracked(submit, lambda: run(self._in_space()))
        outcome: CallOutcome = await in_time(started, request.name, seconds, self.left_behind, request.key)
        return outcome

    async def _submit(self, run: Callable[[], Any]) -> Any:
        return await asyncio.wrap_future(self._thread.submit(run))

    def _request(self, job: Job, call: RunTool, arguments: Arguments, policy: Policy) -> CallRequest:
        room = policy.limits.pending_waits - len(job.futures)
        encode = partial(_plain, limits=policy.limits)
        registered = job.futures_registered
        registration = partial(self._futures.registration, job.job, registered=registered, room=room, encode=encode)
        return CallRequest(
            job.job,
            call.batch,
            call.number,
            call.tool,
            arguments.args,
            arguments.kwargs,
            policy,
            self.tables,
            registration,
            registered,
            call.repeated,
        )

    # in dbzero's thread

    def reopen(self, recorded: Recorded) -> None:
        """Begin with dbzero as it was just opened; `recorded` gives the handles that are on record for a job."""
        self.tables = HandleTables(recorded)

    def check_variables(self) -> None:
        """Let the application's variables cross to nobody; raises `AppUnusable` for what cannot cross."""
        found = self._in_space().variables(HandleTable(), tuple(self._application.offer.variables))
        if found.error is not None:
            raise AppUnusable(f"`locals` of the application cannot be used: {found.error.message}")
        self._application.take_up()

    def _in_space(self) -> ObjectSpace:
        if self._space is None:
            from statek.calls.space import ObjectSpace  # imports dbzero, which is slow and belongs to this thread

            self._space = ObjectSpace(self._application)
        return self._space


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


def _plain(value: object, limits: Limits) -> bytes:
    return encode_value(value, max_bytes=limits.argument_bytes, max_depth=limits.argument_depth)
