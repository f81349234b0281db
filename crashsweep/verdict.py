"""What a job's end is held against: its program, its ledger, what a client saw, and the traces outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from crashsweep.programs import Program
from statek.core.events import (
    BatchEnded,
    BatchStarted,
    CallAnswered,
    ConsolePrinted,
    Event,
    JobEnded,
    JobSuspended,
    LeaseEnded,
)
from statek.core.jobs import ATTEMPTS_LIMIT, Job

E = TypeVar("E", bound=Event)
UNKNOWN: Final = "ToolOutcomeUnknown"


@dataclass
class Verdict:
    """How a job ended, what is wrong with that, and what else is to be counted."""

    outcome: str
    problems: list[str] = field(default_factory=list)
    seen: Counter[str] = field(default_factory=Counter)


def judge(program: Program, job: Job, events: Sequence[Event], followed: str, traces: Counter[int]) -> Verdict:
    """Judge a job that has ended; `traces` counts the effects that were seen outside, by step."""
    console = b"".join(event.data for event in _of(ConsolePrinted, events) if event.stream == "output").decode()
    unknown = _unknown_steps(console)
    told = sum(event.error is not None and event.error.type == UNKNOWN for event in _of(CallAnswered, events))
    verdict = Verdict(str(job.outcome), seen=_seen(events, unknown))
    if followed != console:
        verdict.problems.append(f"a client saw {followed!r}, and the ledger has {console!r}")
    _judge_console(program, job, events, console, unknown, verdict)
    verdict.problems += _wrong_effects(program, unknown, traces, whole=job.outcome == "ok")
    if job.outcome == "ok" and told != len(unknown):
        verdict.problems.append(f"{told} outcomes are unknown by the ledger, {len(unknown)} by the guest")
    return verdict


def _judge_console(
    program: Program, job: Job, events: Sequence[Event], console: str, unknown: set[int], verdict: Verdict
) -> None:
    expected = program.console(unknown)
    deaths = sum(event.blamed for event in _of(LeaseEnded, events))
    if job.outcome == "ok":
        if console != expected:
            verdict.problems.append(f"it printed {console!r} instead of {expected!r}")
    elif job.error is not None and job.error.type == "ExecutorDied" and deaths >= ATTEMPTS_LIMIT:
        verdict.outcome = f"given up after {ATTEMPTS_LIMIT} deaths"
        if not expected.startswith(console):
            verdict.problems.append(f"given up, and it had printed {console!r}, which does not begin {expected!r}")
    else:
        verdict.problems.append(f"it ended {job.outcome} with {job.error or job.limit}")
    if len(_of(JobEnded, events)) != 1:
        verdict.problems.append(f"it ended {len(_of(JobEnded, events))} times")


def _wrong_effects(program: Program, unknown: set[int], traces: Counter[int], *, whole: bool) -> list[str]:
    """List the effects that did not happen once; one whose outcome is unknown may not have happened."""
    problems = [f"step {step} had an effect {traces[step]} times" for step in traces if traces[step] > 1]
    problems += [f"step {step} had an effect and has none" for step in traces.keys() - program.effects]
    problems += [f"step {step} is unknown, though it may be repeated" for step in unknown - program.effects]
    if whole:
        missing = program.effects - unknown - traces.keys()
        problems += [f"step {step} had no effect" for step in sorted(missing)]
    return problems


def _seen(events: Sequence[Event], unknown: set[int]) -> Counter[str]:
    starts = Counter(event.batch for event in _of(BatchStarted, events))
    return Counter(
        {
            "replays (a batch began again)": sum(count - 1 for count in starts.values()),
            "effects whose outcome is unknown, and told": len(unknown),
            "divergences": sum(
                end.error is not None and end.error.type == "ReplayDiverged" for end in _of(BatchEnded, events)
            ),
            "waits": len(_of(JobSuspended, events)),
            "deaths of interpreters that jobs were blamed for": sum(end.blamed for end in _of(LeaseEnded, events)),
        }
    )


def _unknown_steps(console: str) -> set[int]:
    words = (line.split() for line in console.splitlines())
    return {int(line[1]) for line in words if len(line) == 3 and line[2] == "unknown"}


def _of(kind: type[E], events: Sequence[Event]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]
