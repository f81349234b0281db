"""Runs tools for guests: where, with which arguments, and what crosses back. Each call is made once.

Ordinary tools run one at a time in the thread that owns dbzero, so they may use application objects freely. Tools
marked `thread=True` run in a pool of threads, async ones on the scheduler's loop. A tool that raises has still been
called once: its error crosses as data.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Protocol

from statek.calls.tools import Tool, ToolRegistry
from statek.core.events import CallAnswered
from statek.core.instructions import RunTool
from statek_policies import Limits
from statek_protocol.messages.base import NAME_LIMIT
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.operations import SLEEP
from statek_protocol.values import MalformedValue, ValueRefused, decode_value, encode_value

log = logging.getLogger(__name__)

THREADS: Final = 32
READ_AT_ONCE_BYTES: Final = 16 * 1024
"""Larger arguments are read beside the loop: a megabyte of the costliest values takes a second to read."""
TEXT_LIMIT: Final = 2_000
"""Characters of a tool's error that a guest gets to see."""

OnAnswer = Callable[[str, CallAnswered], None]


class ApplicationThread(Protocol):
    """The one thread that owns dbzero and runs application code."""

    def submit(self, function: Callable[[], Any]) -> Any:
        """Run the function there; returns a concurrent future."""


@dataclass(frozen=True, slots=True)
class CallKey:
    """What names a call for ever: the same one in every replay."""

    job: str
    batch: int
    number: int

    def __str__(self) -> str:
        return f"{self.job}/{self.batch}/{self.number}"


class ToolRunner:
    """Starts tools and brings their outcomes back; knows which calls are under way in this process."""

    def __init__(self, tools: ToolRegistry, application: ApplicationThread, on_answer: OnAnswer) -> None:
        self._tools = tools
        self._application = application
        self._on_answer = on_answer
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="tool")
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="arguments")
        """One thread, so that what hostile arguments may become in memory is there once."""
        self._running: dict[CallKey, asyncio.Task[None]] = {}

    @property
    def names(self) -> tuple[str, ...]:
        return self._tools.names

    @property
    def temporals(self) -> tuple[str, ...]:
        return tuple(self._tools.temporals)

    def start(self, job: str, call: RunTool, limits: Limits, waited_seconds: float) -> None:
        """Run a call, unless it is under way already; its outcome comes by the callback."""
        key = CallKey(job, call.batch, call.number)
        if key in self._running:
            return
        task = asyncio.create_task(self._run(key, call, limits, waited_seconds))
        self._running[key] = task
        task.add_done_callback(lambda _: self._running.pop(key, None))

    async def close(self) -> None:
        """Stop waiting for what is under way; a call without an outcome is unknown after the next start."""
        tasks = list(self._running.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._threads.shutdown(wait=False, cancel_futures=True)
        self._reader.shutdown(wait=False, cancel_futures=True)

    async def _run(self, key: CallKey, call: RunTool, limits: Limits, waited_seconds: float) -> None:
        value, error = await self._outcome(key, call, limits, waited_seconds)
        self._on_answer(key.job, CallAnswered(call.batch, call.number, value, error))

    async def _outcome(
        self, key: CallKey, call: RunTool, limits: Limits, waited_seconds: float
    ) -> tuple[bytes | None, GuestError | None]:
        try:
            args, kwargs = await self._read(call.arguments, limits)
        except (MalformedValue, TypeError) as error:
            return None, GuestError("TypeError", _wire_text(f"the arguments cannot be read: {error}"), None)
        if call.tool == SLEEP:
            return await _sleep(args, limits, waited_seconds)
        tool = self._tools.get(call.tool)
        if tool is None:
            return None, GuestError("NameError", f"there is no tool {call.tool!r}", None)
        if call.repeated and not tool.idempotent:
            text = f"{call.tool}: the scheduler died while it ran; it may or may not have done its work"
            return None, GuestError("ToolOutcomeUnknown", text, None)
        if tool.wants_key:
            kwargs["idempotency_key"] = str(key)
        return await self._call(tool, args, kwargs, limits)

    async def _read(self, arguments: bytes, limits: Limits) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if len(arguments) <= READ_AT_ONCE_BYTES:
            return _arguments(arguments, limits)
        return await asyncio.get_running_loop().run_in_executor(self._reader, _arguments, arguments, limits)

    async def _call(
        self, tool: Tool, args: tuple[Any, ...], kwargs: dict[str, Any], limits: Limits
    ) -> tuple[bytes | None, GuestError | None]:
        try:
            result = await self._place(tool, args, kwargs)
        except BaseException as error:  # also a SystemExit: a tool that wants to leave does not take us with it
            if _is_our_own_end(error):
                raise
            result = _Raised(error)
        if isinstance(result, _Raised):
            log.info("tool %s raised", tool.name, exc_info=result.error)
            return None, _described(result.error)
        try:
            return _encoded(result, limits), None
        except ValueRefused as error:
            text = f"{tool.name} returned what cannot cross to the guest: {error}"
            return None, GuestError("TypeError", _wire_text(text), None)

    async def _place(self, tool: Tool, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if tool.is_async:
            return await tool.function(*args, **kwargs)
        call = partial(_tried, partial(tool.function, *args, **kwargs))
        if tool.thread:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        return await asyncio.wrap_future(self._application.submit(call))


@dataclass(frozen=True, slots=True)
class _Raised:
    """What a tool raised, as a value: a future does not take every exception (StopIteration ends none)."""

    error: BaseException


def _tried(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except BaseException as error:  # noqa: BLE001 - application code ran, and whoever called it is told
        return _Raised(error)


async def _sleep(
    args: tuple[Any, ...], limits: Limits, waited_seconds: float
) -> tuple[bytes | None, GuestError | None]:
    """Wait for what is left of the time that a guest asked for, which is no more than the policy has."""
    match args:
        case (int() | float() as seconds,) if 0 <= seconds <= limits.wall_seconds:
            await asyncio.sleep(max(0.0, seconds - waited_seconds))
            return _encoded(None, limits), None
    text = f"sleep length must be between 0 and {limits.wall_seconds} seconds"
    return None, GuestError("ValueError", text, None)


def _is_our_own_end(error: BaseException) -> bool:
    """Tell the cancellation of a call, when the scheduler stops, from one that happened inside the tool."""
    task = asyncio.current_task()
    return isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling() > 0


def _described(error: BaseException) -> GuestError:
    """Turn a tool's exception into data; its own `__str__` may fail too."""
    try:
        text = str(error)
    except Exception as failure:  # noqa: BLE001 - application code ran
        text = f"(its text cannot be had: {type(failure).__name__})"
    return GuestError(_wire_text(type(error).__name__)[:NAME_LIMIT] or "Exception", _wire_text(text), None)


def _arguments(data: bytes, limits: Limits) -> tuple[tuple[Any, ...], dict[str, Any]]:
    value = decode_value(data, max_bytes=limits.argument_bytes, max_depth=limits.argument_depth)
    match value:
        case (tuple() as args, dict() as kwargs) if all(type(name) is str for name in kwargs):
            return args, kwargs
    raise TypeError("a tuple and a dict of arguments are needed")


def _encoded(value: object, limits: Limits) -> bytes:
    return encode_value(value, max_bytes=limits.argument_bytes, max_depth=limits.argument_depth)


def _wire_text(text: str) -> str:
    return text[:TEXT_LIMIT].encode("utf-8", "backslashreplace").decode()
