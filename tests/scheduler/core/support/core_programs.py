"""Programs of a small language, and an honest interpreter for them that speaks the protocol as the real one does."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from typing import Literal

from statek_protocol.messages.base import Message
from statek_protocol.messages.executor import Metered
from statek_protocol.messages.interpreter import (
    Call,
    Checkpoint,
    Console,
    Failed,
    Finished,
    LimitBreach,
    Observed,
    Reply,
    Run,
    Segment,
    Snapshot,
    Violated,
)
from statek_protocol.operations import FUTURE_ALL, FUTURE_ANY, FUTURE_VALUE
from statek_protocol.references import FutureRef, PlainReferences
from statek_protocol.values import decode_value, encode_value


@dataclass(frozen=True)
class Say:
    """Print a text."""

    text: bytes


@dataclass(frozen=True)
class Ask:
    """Call a tool and remember its answer."""

    tool: str
    arguments: bytes = b""


@dataclass(frozen=True)
class Look:
    """Read the clock and remember the time."""


@dataclass(frozen=True)
class Tell:
    """Print all that is remembered."""


@dataclass(frozen=True)
class Trespass:
    """Try what the policy does not allow."""


@dataclass(frozen=True)
class Begin:
    """Call a temporal tool and remember the future that it gives."""

    name: str


@dataclass(frozen=True)
class Gather:
    """Make one future of some that are remembered (by their order), and remember it."""

    shape: Literal["any", "all"]
    futures: tuple[int, ...]


@dataclass(frozen=True)
class Use:
    """Wait for a remembered future and remember its value."""

    future: int


Step = Say | Ask | Look | Tell | Trespass | Begin | Gather | Use
Statement = tuple[Step, ...]
OPERATIONS = {"any": FUTURE_ANY, "all": FUTURE_ALL}
BEGIN = "begin"
REFERENCES = PlainReferences()


@dataclass(frozen=True)
class Program:
    """A batch: its statements, the ones before which a checkpoint is taken, and how it ends."""

    statements: tuple[Statement, ...]
    checkpoints: frozenset[int] = frozenset()
    outcome: Literal["ok", "error", "blocked", "limit"] = "ok"
    keeps: bool = True
    """Whether its variables can be kept at the end."""
    exit_status: str | None = None
    """What it ends its job with at its end; None for a program that does not."""

    @property
    def steps(self) -> Iterator[Step]:
        for statement in self.statements:
            yield from statement


def answer_of(tool: str, arguments: bytes) -> bytes:
    """What a tool says: always the same."""
    return f"{tool} says {arguments.decode()}!".encode()


def call_of(step: Step, memory: list[str]) -> tuple[str, bytes] | None:
    """The tool or operation that a step calls, and with which arguments; None for one that calls nothing."""
    futures = [FutureRef(number) for number in futures_of(memory)]
    match step:
        case Ask(tool, arguments):
            return tool, arguments
        case Begin(name):
            return BEGIN, name.encode()
        case Gather(shape, chosen) if futures:
            return OPERATIONS[shape], written((tuple(futures[index % len(futures)] for index in chosen), None))
        case Use(future) if futures:
            return FUTURE_VALUE, written((futures[future % len(futures)],))
    return None


def futures_of(memory: list[str]) -> list[int]:
    """The numbers of the futures that are remembered."""
    return [int(said[1:]) for said in memory if said.startswith("#")]


def written(args: tuple[object, ...]) -> bytes:
    return encode_value((args, {}), max_bytes=10_000, max_depth=9, crossing=REFERENCES)


def written_value(value: object) -> bytes:
    return encode_value(value, max_bytes=10_000, max_depth=9, crossing=REFERENCES)


def calls_of(program: Program, memory: list[str], value_of: Callable[[int], str]) -> list[tuple[str, bytes]]:
    """The calls that a run without any interruption makes, in order."""
    found = []
    for step in program.steps:
        called = call_of(step, memory)
        if called is not None:
            found.append(called)
        console_of(Program(((step,),)), memory, itertools.repeat(0), value_of)
    return found


def read(value: bytes) -> str:
    """What is remembered of an operation's result."""
    found = decode_value(value, max_bytes=10_000, max_depth=9, crossing=REFERENCES)
    return f"#{found.number}" if isinstance(found, FutureRef) else str(found)


def console_of(
    program: Program, memory: list[str], times: Iterator[int], value_of: Callable[[int], str] = str
) -> bytes:
    """What a run without any interruption prints that is told these times and values, and changes in its memory."""
    console = b""
    for step in program.steps:
        match step:
            case Say(text):
                console += text
            case Ask(tool, arguments):
                memory.append(answer_of(tool, arguments).decode())
            case Look():
                memory.append(str(next(times)))
            case Tell():
                console += told(memory)
            case Trespass():
                pass
            case Begin():
                memory.append(f"#{2 * sum(number % 2 == 0 for number in futures_of(memory))}")
            case Gather() if futures_of(memory):
                memory.append(f"#{1 + 2 * sum(number % 2 for number in futures_of(memory))}")
            case Use(future) if numbers := futures_of(memory):
                memory.append(value_of(numbers[future % len(numbers)]))
    return console


def told(memory: list[str]) -> bytes:
    return f"{len(memory)}: {', '.join(memory)}\n".encode()


Talk = Generator[Message, Reply | None, None]


@dataclass
class Interpreter:
    """One process: it remembers from batch to batch, and forgets all when it dies."""

    clock: Iterator[int]
    memory: list[str] = field(default_factory=list)
    chunk: int = 5
    """Bytes of a console message at most; where a text is cut may differ from run to run."""
    _times: list[int] = field(default_factory=list)
    _untold: list[int] = field(default_factory=list)

    def load(self, workspace: bytes | None) -> None:
        self.memory = [] if workspace is None else json.loads(workspace)

    def run(self, program: Program, run: Run) -> Talk:
        """Take the batch from where the `Run` says; yields what it sends, and is sent the replies to its calls."""
        self._times = [time for record in run.observed for time in json.loads(record)]
        self._untold = []
        number = run.first_call
        for index in range(run.first_instruction, len(program.statements)):
            if index in program.checkpoints and not self._times:
                yield from self._send(Checkpoint(run.batch, self._snapshot(run.batch, index)))
            for step in program.statements[index]:
                called = call_of(step, self.memory) is not None
                yield from self._take(run.batch, number, step)
                number += called
        yield from self._end(run.batch, program)

    def _take(self, batch: int, number: int, step: Step) -> Talk:
        match step:
            case Say(text):
                yield from self._print(batch, text)
            case Tell():
                yield from self._print(batch, told(self.memory))
            case Look():
                self.memory.append(str(self._time()))
            case Trespass():
                yield from self._send(Violated(batch, "import", "not allowed", 1, "runtime"))
            case _:
                yield from self._call(batch, number, step)

    def _call(self, batch: int, number: int, step: Step) -> Talk:
        called = call_of(step, self.memory)
        if called is None:
            return
        yield from self._tell_times(batch)
        reply = yield Call(batch, number, *called)
        assert reply is not None
        assert reply.number == number
        plain = str if isinstance(step, Ask) else None
        if reply.value is None:
            self.memory.append(f"{reply.error}")
        else:
            self.memory.append(reply.value.decode() if plain else read(reply.value))

    def _end(self, batch: int, program: Program) -> Talk:
        if self._times:
            yield Failed(batch, "diverged", "it read the clock less often")
            return
        snapshot = self._snapshot(batch, len(program.statements)) if program.keeps else None
        yield from self._tell_times(batch)
        yield Metered(batch, 0.5, 1.0, 1000, 10, 1)
        limit = LimitBreach("variables", 10_000.0, 10_001.0) if program.outcome == "limit" else None
        exited = program.exit_status is not None and program.outcome == "ok"
        yield Finished(batch, program.outcome, None, limit, snapshot, exited, program.exit_status if exited else None)

    def _print(self, batch: int, text: bytes) -> Talk:
        for start in range(0, len(text), self.chunk):
            yield from self._send(Console(batch, text[start : start + self.chunk]))

    def _send(self, message: Message) -> Talk:
        yield from self._tell_times(message.batch)  # type: ignore[attr-defined]
        yield message

    def _tell_times(self, batch: int) -> Talk:
        if self._untold:
            record, self._untold = json.dumps(self._untold).encode(), []
            yield Observed(batch, record)

    def _time(self) -> int:
        if self._times:
            return self._times.pop(0)
        self._untold.append(next(self.clock))
        return self._untold[-1]

    def _snapshot(self, batch: int, instruction: int) -> Snapshot:
        return Snapshot(instruction, (Segment(1, json.dumps(self.memory).encode(), (batch,)),), (), ())
