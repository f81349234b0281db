"""Interpreters without walls: forked processes that serve a job over a socketpair, and the test as their supervisor."""

from __future__ import annotations

import os
import resource
import signal
import socket
import textwrap
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn, TypeVar

from statek_executor.interpreter import main
from statek_executor.interpreter.soft_limits import SOFT_LIMITS
from statek_policies import Policy
from statek_protocol.codec import decode, encode
from statek_protocol.framing import frame
from statek_protocol.messages.base import Message
from statek_protocol.messages.interpreter import (
    FROM_INTERPRETER,
    BatchSource,
    Call,
    Checkpoint,
    Console,
    Failed,
    Finished,
    GuestError,
    Load,
    Observed,
    Reply,
    Run,
    Segment,
    Snapshot,
    Violated,
)
from statek_protocol.references import PlainReferences
from statek_protocol.values import decode_value, encode_value

M = TypeVar("M", bound=Message)
Tool = Callable[..., object]

WAIT_SECONDS = 20.0
BUG_STATUS = 70


@dataclass
class Batch:
    """What an interpreter said of one batch."""

    source: bytes
    messages: list[Message] = field(default_factory=list)

    def all(self, kind: type[M]) -> list[M]:
        return [message for message in self.messages if isinstance(message, kind)]

    @property
    def console(self) -> str:
        return b"".join(message.data for message in self.all(Console)).decode("utf-8", "surrogatepass")

    @property
    def end(self) -> Finished:
        last = self.messages[-1]
        assert isinstance(last, Finished), last
        return last

    @property
    def failed(self) -> Failed:
        last = self.messages[-1]
        assert isinstance(last, Failed), last
        return last

    @property
    def error(self) -> GuestError:
        assert self.end.error is not None, self.end
        return self.end.error

    @property
    def snapshot(self) -> Snapshot:
        assert self.end.snapshot is not None, self.end
        return self.end.snapshot

    @property
    def observed(self) -> tuple[bytes, ...]:
        return tuple(message.data for message in self.all(Observed))

    @property
    def calls(self) -> list[tuple[int, str, object]]:
        """Every call's number, tool and arguments."""
        return [(call.number, call.tool, _arguments(call)) for call in self.all(Call)]

    @property
    def violations(self) -> list[str]:
        return [message.rule for message in self.all(Violated)]


def _arguments(call: Call) -> object:
    return decode_value(call.arguments, max_bytes=2**24, max_depth=200, crossing=PlainReferences())


def changed(segments: Mapping[int, Segment], snapshot: Snapshot) -> dict[int, Segment]:
    """Take up what a snapshot says of the workspace as it was when the batch began."""
    kept = {number: segment for number, segment in segments.items() if number not in snapshot.dropped}
    return kept | {segment.number: segment for segment in snapshot.segments}


class Interpreter:
    """One process that serves one job."""

    def __init__(self, policy: Policy, tools: dict[str, Tool]) -> None:
        self._policy = policy
        self._tools = tools
        self._socket, theirs = socket.socketpair()
        self._socket.settimeout(WAIT_SECONDS)
        self.pid = os.fork()
        if self.pid == 0:
            _serve(self._socket, theirs)
        theirs.close()
        self.sources: dict[int, bytes] = {}
        self.segments: dict[int, Segment] = {}
        """The workspace as the last batch that ended left it."""
        self.segments_before: dict[int, Segment] = {}
        """The workspace as the last batch that began found it."""

    def load(self, workspace: Iterable[Segment] = (), sources: dict[int, bytes] | None = None) -> None:
        self.sources = dict(sources or {})
        batches = tuple(BatchSource(batch, f"batch {batch}", source) for batch, source in self.sources.items())
        self.segments = {segment.number: segment for segment in workspace}
        self.send(Load(self._policy.to_wire(), tuple(self.segments.values()), batches, tuple(self._tools)))

    def run(
        self,
        source: str | bytes,
        batch: int = 1,
        *,
        first_instruction: int = 0,
        first_call: int = 0,
        observed: Sequence[bytes] = (),
        until: Callable[[Batch], bool] = lambda _: False,
    ) -> Batch:
        """Run a batch to its end, answering its calls; or until the test has heard what it waited for."""
        code = textwrap.dedent(source).encode("utf-8", "surrogatepass") if isinstance(source, str) else source
        self.sources[batch] = code
        self.segments_before = self.segments
        self.send(Run(batch, f"batch {batch}", code, first_instruction, first_call, tuple(observed)))
        result = Batch(code)
        self.go_on(result, until)
        return result

    def go_on(self, result: Batch, until: Callable[[Batch], bool] = lambda _: False) -> None:
        while not until(result):
            message = self.receive()
            result.messages.append(message)
            if isinstance(message, Finished) and message.snapshot is not None:
                self.segments = changed(self.segments, message.snapshot)
            if isinstance(message, Finished | Failed):
                return
            if isinstance(message, Call):
                self.send(self._answer(message))

    def _answer(self, call: Call) -> Reply:
        args, kwargs = _arguments(call)  # type: ignore[misc]
        tool = self._tools.get(call.tool, lambda *_: None)
        result = tool(*args, **kwargs)
        if isinstance(result, GuestError):
            return Reply(call.batch, call.number, None, result)
        return Reply(
            call.batch,
            call.number,
            encode_value(result, max_bytes=2**24, max_depth=200, crossing=PlainReferences()),
            None,
        )

    def send(self, message: Message) -> None:
        self._socket.sendall(frame(encode(message)))

    def receive(self) -> Message:
        length = int.from_bytes(self._exactly(4), "little")
        return decode(self._exactly(length), FROM_INTERPRETER)

    def _exactly(self, size: int) -> bytes:
        data = bytearray()
        while len(data) < size:
            piece = self._socket.recv(size - len(data))
            if not piece:
                raise EOFError(f"the interpreter is gone: {os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])}")
            data += piece
        return bytes(data)

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def limit_memory(self, more_bytes: int) -> None:
        """Let it have this much more memory than it has now."""
        with open(f"/proc/{self.pid}/statm") as statm:
            pages = int(statm.read().split()[0])
        allowed = pages * resource.getpagesize() + more_bytes
        resource.prlimit(self.pid, resource.RLIMIT_AS, (allowed, allowed))

    def close(self) -> int:
        """Close the channel, as a supervisor does at the end of a lease; returns the process's exit status."""
        self._socket.close()
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        self._socket.close()
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            return  # it ended before


def _serve(ours: socket.socket, theirs: socket.socket) -> NoReturn:
    status = BUG_STATUS
    try:
        ours.close()
        SOFT_LIMITS.install()
        main.serve(theirs.fileno())
        status = 0
    except BaseException:  # noqa: BLE001 - told, and seen by the test in the exit status
        traceback.print_exc()
    finally:
        os._exit(status)


@contextmanager
def interpreter(
    policy: Policy | None = None,
    *,
    tools: dict[str, Tool] | None = None,
    workspace: Iterable[Segment] = (),
    sources: dict[int, bytes] | None = None,
    loaded: bool = True,
) -> Iterator[Interpreter]:
    """A process that has, unless said otherwise, loaded its workspace."""
    process = Interpreter(policy or Policy(), tools or {})
    try:
        if loaded:
            process.load(workspace, sources)
        yield process
    finally:
        process.kill()


def run(source: str, policy: Policy | None = None, tools: dict[str, Tool] | None = None) -> Batch:
    """Run one batch in a process of its own."""
    with interpreter(policy, tools=tools) as process:
        return process.run(source)


@contextmanager
def successor(
    before: Interpreter,
    snapshot: Snapshot | Checkpoint,
    *,
    policy: Policy | None = None,
    tools: dict[str, Tool] | None = None,
) -> Iterator[Interpreter]:
    """Another process that goes on from what one left in its last batch."""
    kept = snapshot.snapshot if isinstance(snapshot, Checkpoint) else snapshot
    segments = changed(before.segments_before, kept)
    sources = {batch: before.sources[batch] for segment in segments.values() for batch in segment.batches}
    with interpreter(policy, tools=tools, workspace=segments.values(), sources=sources) as process:
        yield process
