"""Lives of jobs to fill a ledger with: tick by tick, as the scheduler's loop would append them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from statek.agents.replies import pack
from statek.agents.transcript import ModelTurn, ToolCall
from statek.core import events
from statek.core.agents import Harness
from statek.core.evolve import evolve
from statek.core.jobs import Job, Usage, digest
from statek.core.workspaces import EMPTY_ROOT
from statek.store.ledger import Ledger, Record
from statek_protocol.messages.interpreter import GuestError, LimitBreach, TransientValue

POLICY = b"the policy"
SOURCE = b"print('hello')\n"
DEFINITION = b"the definition"
PROGRESS = events.Progress(80, 3, 2, {"ask": 2}, 4)
"""What a batch had done that ended at a limit."""


@dataclass(frozen=True)
class Tick:
    """What one append gets."""

    records: list[Record]
    jobs: list[Job]
    blobs: dict[str, bytes]


REPLY = ModelTurn("Let me see \0.\n```python\nprint(1)\n```")
CALL = ModelTurn("", (ToolCall("call-1", "python", '{"code": "print(2)"}'),))


def ticks(job: str, lines: int = 3) -> Iterator[Tick]:
    """Tell one job's life: a batch that prints, calls, fails and is given up, and one that is skipped."""
    return _told(job, _life(job, lines))


def talks(job: str, end: str) -> Iterator[Tick]:
    """Tell the life of an agent's job up to the end of that name: a key of `ENDS`."""
    return _told(job, [*_talk(job), *ENDS[end]])


def _told(job: str, steps: Iterable[list[events.Event]]) -> Iterator[Tick]:
    state: Job | None = None
    for number, step in enumerate(steps):
        for event in step:
            state = evolve(state, event)
        assert state is not None
        written = (POLICY, SOURCE, b"workspace of " + job.encode(), DEFINITION, pack(REPLY), pack(CALL))
        blobs = {digest(data): data for data in written}
        yield Tick([Record(job, number * 1_000, event) for event in step], [state], blobs if number < 2 else {})


def fill(ledger: Ledger, jobs: int, lines: int = 3) -> int:
    """Append the lives of some jobs, each in one transaction; return the last cursor."""
    first = sum(ledger.counts().values())
    for number in range(first, first + jobs):
        life = list(ticks(f"job-{number}", lines))
        blobs = {name: data for tick in life for name, data in tick.blobs.items()}
        ledger.append([record for tick in life for record in tick.records], life[-1].jobs, blobs)
    return ledger.last_cursor


def _life(job: str, lines: int) -> Iterator[list[events.Event]]:
    error = GuestError("ValueError", f"no \0 luck in {job}", 3)
    yield [
        events.JobCreated(job, "default", digest(POLICY)),
        events.BatchSubmitted(1, "first", digest(SOURCE)),
        events.BatchSubmitted(2, "second", digest(SOURCE)),
    ]
    yield [events.LeaseGranted("lease-1", 1, "executor-1", "host-1"), events.BatchStarted(1, 0, 0)]
    for line in range(lines):
        yield [events.ConsolePrinted(1, "output", f"{job} \0 line {line}\n".encode())]
    yield [events.CallRequested(1, 0, "ask", b"arguments"), events.ClockObserved(1, b"noon")]
    yield [events.CallAnswered(1, 0, b"value", None), events.CallRequested(1, 1, "ask", b"more")]
    yield [
        events.CallAnswered(1, 1, None, error),
        events.CheckpointTaken(1, 4, EMPTY_ROOT, (), (), (TransientValue("gen", "generator", "it runs"),)),
        events.ConsolePrinted(1, "notice", b"gen is not kept\n"),
    ]
    yield [events.PolicyViolated(1, "import", "os is not allowed", 7, "compile")]
    yield [
        events.UsageMetered(1, Usage(0.25, 1.5, 1_000, 80, 2)),
        events.BatchEnded(1, "limit", error, LimitBreach("cpu_seconds", 5.0, 5.5), (), PROGRESS),
        events.BatchSkipped(2),
        events.LeaseEnded("lease-1", 1, "no batch is left", blamed=False),
        events.JobEnded("limit"),
    ]


def _talk(job: str) -> Iterator[list[events.Event]]:
    """A subtask's warm-up, of which a block is hidden, and a turn whose code fails."""
    harness, usage = Harness(max_turns=3), events.TurnUsage(1_000, 200, 50, 1_234, seconds=0.5)
    yield [
        events.JobCreated(
            job, "default", digest(POLICY), "researcher", digest(DEFINITION), parent="job-0", harness=harness
        ),
        events.MessagePushed(1, "find \0 out \udc80".encode("utf-8", "surrogatepass"), "application"),
        events.BatchSubmitted(1, "warmup 1", digest(SOURCE), 1, role="hidden"),
        events.BatchSubmitted(2, "warmup 2", digest(SOURCE), 1, role="warmup"),
    ]
    yield [events.LeaseGranted("lease-1", 1, "executor-1", "host-1"), events.BatchStarted(1, 0, 0)]
    yield [events.BatchEnded(1, "ok", None, None), events.LeaseEnded("lease-1", 1, "moved", blamed=False)]
    yield [events.LeaseGranted("lease-2", 2, "executor-1", "host-1"), events.BatchStarted(2, 0, 0)]
    yield [events.ConsolePrinted(2, "output", b"ready\n"), events.BatchEnded(2, "ok", None, None)]
    yield [events.LeaseEnded("lease-2", 2, "a turn is due", blamed=False), events.TurnRequested(1, "small", "")]
    yield [events.TurnRequested(1, "small", "", attempt=1)]
    yield [events.MessagePushed(2, b"hurry", "user", 1), events.MessagePushed(3, b"please", "user", 1)]
    yield [
        events.TurnAnswered(1, digest(pack(REPLY)), "code", usage, "small-1"),
        events.BatchSubmitted(3, "reply-1", digest(SOURCE), 3, role="reply"),
        events.BatchSubmitted(4, "reply-1", digest(SOURCE), 3, role="reply"),
    ]
    yield [events.LeaseGranted("lease-3", 3, "executor-1", "host-1"), events.BatchStarted(3, 0, 0)]
    yield [events.FutureCreated(0, "promise", key="job/child-1"), events.FutureCreated(2, "promise", key="approval")]
    yield [events.ConsolePrinted(3, "output", b"out\n"), events.FutureResolved(0, b"value", None)]
    yield [
        events.BatchEnded(3, "error", GuestError("NameError", "name 'x' is not defined", 1), None),
        events.BatchSkipped(4),
        events.LeaseEnded("lease-3", 3, "a turn is due", blamed=False),
        events.TurnRequested(2, "small", "other"),
    ]


_UNPRICED = events.TurnUsage(70, 0, 7, None, estimated=True)
_WORDS = events.TurnAnswered(2, digest(pack(REPLY)), "plain", events.TurnUsage(90, 0, 9, 90))

ENDS: dict[str, list[list[events.Event]]] = {
    "in words": [[_WORDS, events.JobEnded("ok", exit_status="all \0 done")]],
    "at the harness, after a revival": [
        [_WORDS, events.JobEnded("ok", exit_status="done")],
        [
            events.MessagePushed(4, b"go on", "user", 2),
            events.JobRevived("message"),
            events.TurnRequested(3, "large", ""),
        ],
        [events.TurnAnswered(3, digest(pack(CALL)), "malformed", _UNPRICED, "small-1", "no \0 code")],
        [
            events.HarnessReached(LimitBreach("max_turns", 3, 3)),
            events.JobEnded("limit", limit=LimitBreach("max_turns", 3, 3)),
        ],
    ],
    "by exit": [
        [
            events.TurnAnswered(2, digest(pack(CALL)), "code", _UNPRICED),
            events.BatchSubmitted(5, "reply-2", digest(SOURCE), 5, role="reply"),
        ],
        [events.LeaseGranted("lease-4", 4, "executor-1", "host-1"), events.BatchStarted(5, 0, 0)],
        [
            events.BatchEnded(5, "ok", None, None, exited=True, exit_status="bye"),
            events.LeaseEnded("lease-4", 4, "done", blamed=False),
            events.JobEnded("ok"),
        ],
    ],
    "cancelled": [[events.JobCancelled("not needed any more", "request-1"), events.JobEnded("cancelled")]],
    "without a model": [
        [
            events.TurnFailed(2, "unreachable", "nobody listens"),
            events.JobEnded("failed", error=GuestError("ModelUnreachable", "nobody listens", None)),
        ],
        [events.JobRevived("retry", "request-2"), events.TurnRequested(3, "small", "")],
    ],
}
