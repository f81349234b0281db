"""What guest code gets from outside: console, clock, randomness, tools. Runs inside the wall.

Every function that the guest can reach ends in one of these methods, and each of them writes down what the guest was
told of the world before it lets an effect out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final
from weakref import WeakKeyDictionary

from statek_executor.interpreter.channel import Channel
from statek_executor.interpreter.crossing import GuestCrossing
from statek_executor.interpreter.objects import IsMethod, Objects
from statek_executor.interpreter.observations import Observations
from statek_executor.interpreter.soft_limits import HostSection, LimitError, SoftLimits, TimeLimitError
from statek_policies import Limits, Policy, Violation
from statek_policies.language import PolicyViolation
from statek_policies.language.pending import with_values
from statek_protocol.messages.base import CONSOLE_CHUNK_LIMIT, Message
from statek_protocol.messages.interpreter import Call, Console, GuestError, Observed, Reply, Violated
from statek_protocol.operations import FUTURE_OPERATIONS, OBJECT_OPERATIONS, SLEEP
from statek_protocol.values import DEPTH_LIMIT, ValueRefused, decode_value, encode_value

DETAIL_LIMIT: Final = 2_000
"""Characters of a violation's detail or an error's text that leave the process."""


class ToolError(Exception):
    """A tool failed; the text begins with the name of its own error."""


class ToolOutcomeUnknown(ToolError):
    """The scheduler died while the tool ran: it may or may not have done its work. Check before calling it again."""


class ToolTimeout(ToolOutcomeUnknown):
    """A tool or a method did not end in its time: it may still do its work, unless the text says otherwise."""


class ObjectGone(ToolError):
    """The object behind a variable is not there any more: it was deleted, or it lived in the memory of a process."""


class WaitTimeout(TimeoutError):
    """The value that was waited for was not there in time."""


class WaitCancelled(Exception):
    """Somebody gave up waiting for the value; it will not come."""


class FutureFailed(ToolError):
    """The value will never be there; the text says what happened instead."""


class JobCancelled(FutureFailed):
    """The job whose result was waited for was cancelled."""


class SubTaskFailed(FutureFailed):
    """The job whose result was waited for did not end as it should; the text says how it ended."""


class ToolDenied(PolicyViolation):
    """The policy does not allow this tool, or this member of an object, to this job; the scheduler has it on record."""

    def __init__(self, detail: str) -> None:
        super().__init__("tool.denied", detail)


GUEST_ERRORS: Final = (
    *(LimitError, TimeLimitError),
    *(ToolError, ToolOutcomeUnknown, ToolTimeout, ObjectGone, ToolDenied),
    *(WaitTimeout, WaitCancelled, FutureFailed, JobCancelled, SubTaskFailed),
)
"""Exceptions of ours that guest code can meet, and so needs the names of."""

_ERRORS: Final[Mapping[str, type[Exception]]] = {
    "ToolOutcomeUnknown": ToolOutcomeUnknown,
    "ToolTimeout": ToolTimeout,
    "ObjectGone": ObjectGone,
    "IsMethod": IsMethod,
    "PolicyViolation": ToolDenied,
    "WaitTimeout": WaitTimeout,
    "WaitCancelled": WaitCancelled,
    "FutureFailed": FutureFailed,
    "JobCancelled": JobCancelled,
    "SubTaskFailed": SubTaskFailed,
}

_NATURAL: Final[Mapping[str, type[Exception]]] = {
    error.__name__: error
    for error in (
        *(ArithmeticError, OverflowError, ZeroDivisionError, AssertionError, AttributeError, NameError),
        *(LookupError, IndexError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError),
        *(OSError, FileExistsError, FileNotFoundError, PermissionError, TimeoutError, EOFError),
    )
}
"""What an object's own code raises is raised in the guest as what it is; of a tool it is always a `ToolError`."""


class GuestHost:
    """The `statek_policies.language.Host` of this process, and the tools."""

    def __init__(self, channel: Channel, policy: Policy, limits: SoftLimits) -> None:
        self._channel = channel
        self._policy = policy
        self._limits = limits
        self._section = HostSection(limits)
        self.observations = Observations()
        self.objects = Objects(self)
        self._crossing = GuestCrossing(self.objects)
        self._batch = 0
        self._next_call = 0
        self.violated = False
        self.instruction: Callable[[], int] = lambda: 0
        """Says which top-level statement of the batch the guest is in; whoever runs batches knows."""
        self._restoring = False
        self._told: WeakKeyDictionary[BaseException, str] = WeakKeyDictionary()
        """Errors that told the guest of a limit, and the name of it."""
        self.meets_futures = False
        """Whether the guest may hold values that are not there yet; what is handed over must be."""

    def begin_job(self, channel: Channel, policy: Policy) -> None:
        """Serve this job from here on; for a host that was made before there was one."""
        self._channel, self._policy, self.observations = channel, policy, Observations()

    def begin_batch(self, batch: int, first_call: int) -> None:
        self._batch, self._next_call, self.violated = batch, first_call, False

    @contextmanager
    def restoring(self) -> Iterator[None]:
        """Let nothing out of what guest code does while its variables are put together again.

        Objects of the guest that are keys or members are asked for their hashes once more then, which is no part of
        any batch: what they print or violate was told when it happened first, and a call would be one too many.
        """
        self._restoring = True
        try:
            yield
        finally:
            self._restoring = False

    def send(self, message: Message) -> None:
        """Send a message after what was observed before it; for our own code, outside a guest section."""
        record = self.observations.take_record()
        if record is not None:
            self._channel.send(Observed(self._batch, record))
        self._channel.send(message)

    def run_guest(self, work: Callable[[], None]) -> bool:
        """Do what runs code of the guest that nobody called; tells whether that was until a soft limit."""
        before = self._limits.reached
        try:
            self._limits.enter_guest()
            work()
        except TimeLimitError:
            return True
        finally:
            self._limits.leave_guest()
        return self._limits.reached != before  # where the guest, or the end of a generator, kept the error to itself

    # what statek_policies.language.Host asks for

    def write(self, text: str) -> None:
        if self._restoring:
            return
        data = text.encode("utf-8", "surrogatepass")
        with self._section:
            for start in range(0, len(data), CONSOLE_CHUNK_LIMIT):
                self.send(Console(self._batch, data[start : start + CONSOLE_CHUNK_LIMIT]))

    def time_ns(self) -> int:
        with self._section:
            return self._observe(self.observations.time_ns)

    def monotonic_ns(self) -> int:
        with self._section:
            return self._observe(self.observations.monotonic_ns)

    def entropy(self, size: int) -> bytes:
        with self._section:
            return self.observations.entropy(size)

    def sleep(self, seconds: float) -> None:
        if not 0 <= seconds <= self._policy.limits.wall_seconds:
            text = f"sleep length must be between 0 and {self._policy.limits.wall_seconds} seconds, not {seconds!r}"
            raise ValueError(text)
        self.call(SLEEP, (float(seconds),), {})

    def violation(self, violation: Violation) -> None:
        if self._restoring:
            return
        with self._section:
            self.violated = True
            self.send(violated_message(self._batch, violation))

    # tools

    def call(self, tool: str, args: tuple[object, ...], kwargs: dict[str, object]) -> Any:
        """Have the scheduler run a tool or do an operation, and stand still until the outcome is there."""
        if self._restoring:
            raise ToolError("no tool can be called while variables are put together again")
        if self.meets_futures and tool not in FUTURE_OPERATIONS:
            args, kwargs = with_values((args, kwargs), depth=self._policy.limits.argument_depth + 1)
        with self._section:
            if self._limits.reached is not None:
                raise LimitError(f"{self._limits.reached}: no call is served after a limit")
            arguments = self._encode(tool, args, kwargs)
            number, self._next_call = self._next_call, self._next_call + 1
            self.send(Call(self._batch, number, tool, arguments, self.instruction()))
            reply = self._channel.receive(Reply)
        if reply.error is not None:
            if reply.error.type == LimitError.__name__:
                raise self._limit_error(reply.error.message)
            raise _as_exception(reply.error, of_object=tool in OBJECT_OPERATIONS)
        return self.read_value(reply.value or b"")

    def read_value(self, data: bytes) -> Any:
        """Read a value that the scheduler sends, with proxies in the places of objects."""
        return decode_value(data, max_bytes=len(data), max_depth=DEPTH_LIMIT, crossing=self._crossing)

    def can_cross(self, value: object) -> bool:
        """Tell whether a value can be handed over."""
        limits = self._policy.limits
        depth = limits.argument_depth - 2  # it will be one of the arguments
        try:
            encode_value(value, max_bytes=limits.argument_bytes, max_depth=depth, crossing=self._crossing)
        except ValueRefused:
            return False
        return True

    def _encode(self, tool: str, args: tuple[object, ...], kwargs: dict[str, object]) -> bytes:
        """Encode a call's arguments; what cannot cross is the guest's own TypeError, with the place inside them."""
        limits, name = self._policy.limits, f"{tool}(...)"
        try:
            return encode_value(
                (args, kwargs),
                max_bytes=limits.argument_bytes,
                max_depth=limits.argument_depth,
                name=name,
                crossing=self._crossing,
            )
        except ValueRefused as refused:
            if refused.bound is None:
                raise TypeError(f"this cannot be handed over: {refused}") from None
            raise self._limit_error(f"argument_{refused.bound}: {refused}") from None

    def limit_of(self, error: BaseException) -> str | None:
        """Return the limit that the guest was told of by this very error; one that it made itself tells of none."""
        return self._told.get(error) if type(error) is LimitError else None

    def _limit_error(self, text: str) -> LimitError:
        error, name = LimitError(text), text.partition(":")[0]
        if name in Limits.names():
            self._told[error] = name
        return error

    def _observe(self, read: Callable[[], int]) -> int:
        if self.observations.full:
            record = self.observations.take_record()
            if record is not None:
                self._channel.send(Observed(self._batch, record))
        return read()


def make_tool(host: GuestHost, name: str) -> Callable[..., object]:
    """Make the callable under which the guest finds a tool; a closure, so that there is no attribute to follow."""

    def tool(*args: object, **kwargs: object) -> object:
        return host.call(name, args, kwargs)

    tool.__name__ = tool.__qualname__ = name
    return tool


def violated_message(batch: int, violation: Violation) -> Violated:
    """Make the message for a violation, its texts cut and made fit for the wire."""
    return Violated(batch, violation.rule[:200], wire_text(violation.detail), violation.line, violation.layer)


def wire_text(text: str) -> str:
    """Cut a guest's text and replace lone surrogates, which the wire's texts cannot carry."""
    plain = str.__getitem__(text, slice(DETAIL_LIMIT))  # a guest's own kind of str may have methods of its own
    return plain.encode("utf-8", "backslashreplace").decode()


def _as_exception(error: GuestError, *, of_object: bool) -> Exception:
    known = _ERRORS.get(error.type) or (_NATURAL.get(error.type) if of_object else None)
    return known(error.message) if known else ToolError(f"{error.type}: {error.message}")
