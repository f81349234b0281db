"""scripts/crashsweep: a short sweep of each form, and a judge that does not let pass what must not be."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import zmq
from integration.services import Run

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from crashsweep.link import Direction, Link, Passing  # noqa: E402
from crashsweep.plan import (  # noqa: E402
    AT_COMMITS,
    COMMITTED,
    KINDS,
    MODEL_REPLY,
    PARTS,
    QUEUED,
    Disturbance,
    When,
    commit_of,
    disturbances,
)
from crashsweep.programs import Program, Step, program  # noqa: E402
from crashsweep.trap import Trap  # noqa: E402
from crashsweep.verdict import UNKNOWN, judge  # noqa: E402
from crashsweep.zmtp import GREETING_BYTES, PieceReader  # noqa: E402

from statek.core.events import EVENTS, CallAnswered, ConsolePrinted, Event, JobEnded, LeaseEnded  # noqa: E402
from statek.core.jobs import Job  # noqa: E402
from statek_protocol.codec import encode  # noqa: E402
from statek_protocol.messages.executor import Pong, Pull, Unknown  # noqa: E402
from statek_protocol.messages.interpreter import GuestError  # noqa: E402


def crashsweep(*arguments: str) -> Run:
    command = [sys.executable, "-m", "crashsweep.run", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    return Run(done.returncode, done.stdout, done.stderr)


def test_a_short_sweep_kills_and_every_job_ends_right(short_path: Path) -> None:
    bounds = ("--kills", "5", "--seconds", "3", "--at-once", "1")
    found = crashsweep(*bounds, "--seed", "1242", "--directory", str(short_path))
    assert found.status == 0, found.out + found.err
    assert "failures: 0" in found.out
    assert "  ok  " in found.out
    assert "  conversation ok  " in found.out
    assert list(short_path.iterdir()) == []


def test_a_scheduler_killed_inside_its_commits_loses_nothing(short_path: Path) -> None:
    arguments = ("--mid-commit", "1", "--jobs", "20", "--seed", "2", "--directory", str(short_path))
    found = crashsweep(*arguments)
    assert found.status == 0, found.out + found.err
    assert "kill inside a commit of" in found.out
    assert "failures: 0" in found.out


STEPS = (Step(1, "effect", 0.0), Step(2, "line", 0.0))
WORK = Program(1, (STEPS,))
CONSOLE = WORK.console(())


def ended(console: str, *events: Event) -> list[Event]:
    return [ConsolePrinted(1, "output", console.encode()), *events, JobEnded("ok")]


def problems(events: list[Event], traces: dict[int, int], *, job: Job | None = None, seen: str | None = None) -> str:
    printed = b"".join(event.data for event in events if isinstance(event, ConsolePrinted)).decode()
    done = job or Job("job", "", status="DONE", outcome="ok")
    return "\n".join(judge(WORK, done, events, printed if seen is None else seen, Counter(traces)).problems)


def test_a_right_end_is_let_pass() -> None:
    assert problems(ended(CONSOLE), {1: 1}) == ""


@pytest.mark.parametrize(
    ("events", "traces", "seen", "problem"),
    [
        (ended(CONSOLE), {1: 2}, None, "step 1 had an effect 2 times"),
        (ended(CONSOLE), {}, None, "step 1 had no effect"),
        (ended(CONSOLE), {1: 1, 2: 1}, None, "step 2 had an effect and has none"),
        (ended(CONSOLE.replace("line", "line 0\nline")), {1: 1}, None, "it printed"),
        (ended(CONSOLE), {1: 1}, CONSOLE * 2, "a client saw"),
        (ended(WORK.console({1})), {}, None, "0 outcomes are unknown by the ledger, 1 by the guest"),
        ([*ended(CONSOLE), JobEnded("ok")], {1: 1}, None, "it ended 2 times"),
    ],
)
def test_what_must_not_be_is_a_problem(
    events: list[Event], traces: dict[int, int], seen: str | None, problem: str
) -> None:
    assert problem in problems(events, traces, seen=seen)


@pytest.mark.parametrize("times", [0, 1])
def test_an_effect_may_or_may_not_have_happened_only_where_that_is_told(times: int) -> None:
    told = CallAnswered(1, 0, None, GuestError(UNKNOWN, "nobody knows", None))
    assert problems(ended(WORK.console({1}), told), {1: times} if times else {}) == ""


def test_a_job_may_be_given_up_only_after_three_deaths_and_only_having_printed_the_beginning() -> None:
    job = Job("job", "", status="DONE", outcome="failed", error=GuestError("ExecutorDied", "again and again", None))
    deaths: list[Event] = [LeaseEnded(f"job.{epoch}", epoch, "it died", blamed=True) for epoch in (1, 2, 3)]
    beginning = CONSOLE.splitlines(keepends=True)[0]
    assert problems(ended(beginning, *deaths), {1: 1}, job=job) == ""
    assert "it ended failed" in problems(ended(beginning, *deaths[:2]), {1: 1}, job=job)
    assert "does not begin" in problems(ended("another\n", *deaths), {1: 1}, job=job)


def test_a_plan_is_the_same_for_its_seed_and_comes_to_every_message_every_commit_and_every_part() -> None:
    plan = list(islice(disturbances(3), 500))
    assert plan == list(islice(disturbances(3), 500))
    assert plan != list(islice(disturbances(4), 500))
    assert {(one.when, one.kind) for one in plan if one.trouble == "kill" and one.kind} == {
        (when, kind) for when in ("before", "after") for kind in (*KINDS, *AT_COMMITS, MODEL_REPLY)
    }
    assert {part for one in plan for part in one.victims} == set(PARTS)
    assert set(COMMITTED) <= {QUEUED, *EVENTS}
    assert program(9) == program(9)


def trapped(kind: str, when: When, *, skip: int = 0) -> tuple[Trap, list[Disturbance]]:
    happened: list[Disturbance] = []
    trap = Trap(happened.append)
    trap.arm(Disturbance(1, "kill", when, kind, skip, 0.0, ("scheduler",)))
    return trap, happened


def test_a_trap_waits_for_its_commit_and_its_side_of_it_and_happens_once() -> None:
    trap, happened = trapped(commit_of("turn_answered"), "after", skip=1)
    for _ in range(2):
        trap.on_commit("before", ["turn_answered"])
        trap.on_commit("after", ["turn_requested"])
        trap.on_model("after")
        trap.on_message("up", "console")
    trap.on_commit("after", ["batch_submitted", "turn_answered"])
    assert (happened, trap.is_armed) == ([], True)
    trap.on_commit("after", ["turn_answered"])
    trap.on_commit("after", ["turn_answered"])
    assert (len(happened), trap.is_armed) == (1, False)


def test_a_trap_waits_for_a_reply_of_the_model_and_for_a_message() -> None:
    trap, happened = trapped(MODEL_REPLY, "before")
    trap.on_model("after")
    assert happened == []
    trap.on_model("before")
    assert len(happened) == 1
    trap, happened = trapped("console", "after")
    passing = trap.on_message("up", "console")
    assert happened == []
    assert passing.afterwards is not None
    passing.afterwards()
    assert len(happened) == 1


def test_a_stream_is_cut_into_its_messages_however_it_arrives() -> None:
    greeting, command = bytes(GREETING_BYTES), b"\x04\x05READY"
    long = b"\x02" + (300).to_bytes(8, "big") + bytes(300)
    stream = greeting + command + b"\x01\x01a" + b"\x00\x02bc" + long
    for size in (1, 7, 64, len(stream)):
        reader = PieceReader()
        pieces = [piece for at in range(0, len(stream), size) for piece in reader.feed(stream[at : at + size])]
        assert b"".join(piece.raw for piece in pieces) == stream
        assert [piece.frames for piece in pieces if piece.frames] == [(b"a", b"bc"), (bytes(300),)]


def test_the_link_passes_on_doubles_drops_and_severs(tmp_path: Path) -> None:
    doubled_and_dropped = {"pull": Passing(copies=2), "pong": Passing(copies=0), "unknown": Passing(sever=True)}
    met: list[tuple[Direction, str]] = []

    def on_message(direction: Direction, kind: str) -> Passing:
        met.append((direction, kind))
        return doubled_and_dropped[kind]

    context = zmq.Context()
    link = Link(tmp_path / "front", tmp_path / "back", on_message)
    with context.socket(zmq.ROUTER) as router, context.socket(zmq.DEALER) as dealer:
        for each in (router, dealer):
            each.set(zmq.LINGER, 0)
            each.set(zmq.RCVTIMEO, 10_000)
        router.set(zmq.ROUTER_MANDATORY, 1)
        router.bind(f"ipc://{tmp_path}/back")
        link.start()
        dealer.connect(f"ipc://{tmp_path}/front")
        dealer.send(encode(Pull(1)))
        identity, first = router.recv_multipart()
        assert router.recv_multipart() == [identity, first] == [identity, encode(Pull(1))]
        router.send_multipart([identity, encode(Pong())])
        router.send_multipart([identity, encode(Unknown())])
        dealer.set(zmq.RCVTIMEO, 300)
        with pytest.raises(zmq.Again):
            dealer.recv()
        dealer.send(encode(Pull(2)))  # over a new connection
        another, again = router.recv_multipart()
        assert (again, another != identity) == (encode(Pull(2)), True)
    link.stop()
    context.term()
    assert met == [("up", "pull"), ("down", "pong"), ("down", "unknown"), ("up", "pull")]
