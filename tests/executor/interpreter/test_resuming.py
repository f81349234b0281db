"""A batch goes on in another process from its last checkpoint, as if nothing had happened."""

from __future__ import annotations

import math
import os
import random
import signal

import pytest
from interpreter_stand import Batch, Interpreter, interpreter, successor

from statek_executor.interpreter.batch import WORTH_SECONDS, Boundary
from statek_executor.interpreter.soft_limits import SoftLimits
from statek_executor.supervisor import metering
from statek_policies import Limits, Policy
from statek_policies.language import CompiledBatch
from statek_protocol.messages.interpreter import Checkpoint, Console, Failed, Observed, Run, Segment

BUSY = f"""
import time
def work(seconds):
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass
work({WORTH_SECONDS * 3})
"""
"""What makes the next statement worth a checkpoint before it."""


def checkpointed(batch: Batch) -> Checkpoint:
    [taken] = batch.all(Checkpoint)
    return taken


def after(batch: Batch, taken: Checkpoint) -> tuple[bytes, ...]:
    """What was observed after a checkpoint."""
    position = batch.messages.index(taken)
    return tuple(message.data for message in batch.messages[position:] if isinstance(message, Observed))


def console_after(batch: Batch, taken: Checkpoint) -> str:
    position = batch.messages.index(taken)
    return b"".join(m.data for m in batch.messages[position:] if isinstance(m, Console)).decode()


def check_goes_on_the_same(source: str, *, tools: bool = False) -> Batch:
    """Run a batch, then what comes after its checkpoint once more in another process: both must say the same."""
    offered = {"count": lambda: 7} if tools else {}
    with interpreter(tools=offered) as process:
        first = process.run(source)
        taken = checkpointed(first)
        calls_before = sum(m.kind == "call" for m in first.messages[: first.messages.index(taken)])
        with successor(process, taken, tools=offered) as other:
            second = other.run(
                first.source,
                first_instruction=taken.snapshot.instruction,
                first_call=calls_before,
                observed=after(first, taken),
            )
    assert second.console == console_after(first, taken)
    assert second.end.outcome == first.end.outcome == "ok"
    assert [call for call in first.calls if call[0] >= calls_before] == second.calls
    assert second.all(Observed) == []
    return second


def test_the_end_of_a_value_that_is_not_kept_is_told_the_time_again() -> None:
    source = """
        import time
        def held():
            try:
                yield 1
            finally:
                print("closed at", time.time_ns())
        g = held()
        next(g)
    """
    with interpreter() as process:
        first = process.run(source)
    with interpreter() as other:
        second = other.run(source, observed=first.observed)
    assert second.console == first.console != ""
    assert second.end.outcome == first.end.outcome == "ok"


def test_what_was_just_not_nested_too_deeply_is_read_again() -> None:
    def source(terms: int) -> str:
        return f"def add(a):\n    return {'+'.join('a' * terms)}\n"

    fits, too_deep = 1, 2_000
    with interpreter() as process:
        while too_deep - fits > 1:
            middle = (fits + too_deep) // 2
            outcome = process.run(source(middle)).end.outcome
            fits, too_deep = (middle, too_deep) if outcome == "ok" else (fits, middle)
    assert fits > 900
    with interpreter() as process, successor(process, process.run(source(fits)).snapshot) as other:
        assert other.run("print(add(1))", 2).console == f"{fits}\n"


def test_variables_and_definitions_are_there_again() -> None:
    source = f"""
x = [1, 2]
y = x
def double(value):
    return 2 * value
class Point:
    def __init__(self, x):
        self.x = x
    def moved(self):
        return Point(self.x + 1)
p = Point(double(3))
{BUSY}
y.append(double(p.moved().x))
print(x, type(p) is Point)
"""
    assert check_goes_on_the_same(source).console == "[1, 2, 14] True\n"


def test_brief_statements_behind_the_checkpoint_are_executed_once() -> None:
    second = check_goes_on_the_same(f"x = []\n{BUSY}\nx += ['a']\nx += ['b']\nprint(x)\nx += ['c']\nprint(x)\n")
    assert second.console == "['a', 'b']\n['a', 'b', 'c']\n"


def test_a_batch_begins_also_where_this_release_would_not_have_stopped() -> None:
    source = "def f():\n    return 'f'\nx = 'a'\nx += 'b'\nx += 'c'\nprint(f() if 'f' in x else x)\n"
    with interpreter() as process, successor(process, process.run("x = '-'\n").snapshot) as other:
        assert other.run(source, 2, first_instruction=3).console == "-c\n"


@pytest.mark.parametrize("helper", ["def helper(): return 1 // 0", "pass"])
def test_a_batch_whose_source_ran_before_is_told_its_own_name_also_after_a_restart(helper: str) -> None:
    source = (
        f"import traceback\n{helper}\n{BUSY}\ntry:\n    helper()\nexcept Exception:\n    print(traceback.format_exc())"
    )
    with interpreter() as process:
        process.run(source)
        first = process.run(source, 2)
        taken = checkpointed(first)
        with successor(process, taken) as other:
            start = taken.snapshot.instruction
            second = other.run(first.source, 2, first_instruction=start, observed=after(first, taken))
    assert second.console == console_after(first, taken)
    assert 'File "<batch 2>"' in second.console
    assert "<batch 1>" not in second.console


def test_randomness_that_the_guest_seeded_goes_on() -> None:
    before = "import random\nrandom.seed(42)\nfirst = [random.random() for _ in range(5)]\n"
    second = check_goes_on_the_same(f"{before}{BUSY}\nprint(random.random(), random.gauss(0, 1))\n")
    here = random.Random(42)
    _ = [here.random() for _ in range(5)]
    assert second.console == f"{here.random()} {here.gauss(0, 1)}\n"


def test_randomness_that_the_host_seeded_goes_on() -> None:
    check_goes_on_the_same(f"import random\nrandom.random()\n{BUSY}\nprint(random.random(), random.randrange(10**9))\n")


def test_randomness_that_is_first_drawn_after_the_checkpoint_is_the_same() -> None:
    check_goes_on_the_same(
        f"import random, uuid, secrets\n{BUSY}\nprint(random.random(), uuid.uuid4(), secrets.token_hex())\n"
    )


def test_secrets_that_are_drawn_before_and_after_go_on() -> None:
    before = "import secrets\nfirst = secrets.token_hex()\n"
    check_goes_on_the_same(f"{before}{BUSY}\nsecond = secrets.token_hex()\nprint(first != second, second)\n")


def test_clocks_go_on() -> None:
    before = "import time\nt = time.time()\nm = time.monotonic()\n"
    source = f"{before}{BUSY}\nprint(time.time() - t, time.monotonic() - m, time.time_ns())\n"
    assert float(check_goes_on_the_same(source).console.split()[1]) >= WORTH_SECONDS


def test_calls_after_the_checkpoint_have_their_numbers() -> None:
    check_goes_on_the_same(f"count()\ncount()\n{BUSY}\nprint(count())\n", tools=True)


def test_randomness_and_definitions_go_on_from_batch_to_batch() -> None:
    with interpreter() as process:
        first = process.run(
            "import random\nrandom.seed(42)\nrandom.random()\ndef roll():\n    return random.random()\n"
        )
        here = process.run("print(roll())\n", 2).console
        with successor(process, first.snapshot) as other:
            assert other.run("print(roll())\n", 2).console == here


def test_randomness_of_a_new_batch_is_not_the_last_ones_again() -> None:
    with interpreter() as process:
        first = process.run("import secrets\nprint(secrets.token_hex())\n")
        with successor(process, first.snapshot) as other:
            assert other.run("print(secrets.token_hex())\n", 2).console != first.console


def test_a_monotonic_clock_does_not_fall_when_a_job_moves_to_a_host_that_is_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with interpreter() as process:
        first = process.run("import time\nbegun = time.monotonic()\n")
        monkeypatch.setattr("statek_executor.interpreter.observations.time.time_ns", lambda: 10**18)
        with successor(process, first.snapshot) as other:
            assert other.run("print(time.monotonic() >= begun)\n", 2).console == "True\n"


# replays that take another way


def run_again(source: str, first: Batch) -> Batch:
    with interpreter() as process:
        return process.run(source, observed=first.observed)


def test_a_replay_that_reads_the_clock_less_often_says_so() -> None:
    source = "import time\nfor _ in range(3):\n    print(time.time())\n"
    with interpreter() as process:
        first = process.run(source)
    assert run_again(source, first).console == first.console
    less = run_again(source.replace("3", "2"), first)
    assert less.failed == Failed(1, "diverged", "it read the clock less often")


def test_a_replay_takes_no_checkpoint_before_it_has_been_told_everything() -> None:
    source = f"import time\n{BUSY}\nx = 1\nt = time.time()\nprint(t)\n"
    with interpreter() as process:
        first = process.run(source)
        assert first.all(Checkpoint)
    again = run_again(source, first)
    assert again.console == first.console
    assert all(taken.snapshot.instruction == 6 for taken in again.all(Checkpoint)), "after the last reading"


# checkpoints


def test_a_short_batch_takes_no_checkpoint() -> None:
    with interpreter() as process:
        assert process.run("x = 1\ny = 2\nprint(x + y)\n").all(Checkpoint) == []


def test_a_checkpoint_that_would_lose_a_value_is_none() -> None:
    with interpreter() as process:
        batch = process.run(f"numbers = (n for n in range(3))\n{BUSY}\nprint(next(numbers))\n")
        assert batch.all(Checkpoint) == []
        assert [value.name for value in batch.snapshot.transient] == ["numbers"]


def test_a_workspace_that_is_too_large_for_a_while_is_no_fault() -> None:
    policy = Policy(limits=Limits(workspace_bytes=20_000))
    with interpreter(policy) as process:
        batch = process.run(f"large = 'x' * 50_000\n{BUSY}\ndel large\nx = 1\n")
        assert batch.all(Checkpoint) == []
        assert batch.end.outcome == "ok"


# hostile and unreadable workspaces


def started(process: Interpreter, source: str = "print('reached')\n") -> Batch:
    return process.run(source, 2)


@pytest.mark.parametrize("workspace", [b"", b"\x00", b"garbage", b"\xff" * 100, b"\x95\x01\x80\x80\x90\x90"])
def test_a_workspace_that_is_none_fails_the_batch(workspace: bytes) -> None:
    with interpreter(workspace=[Segment(1, workspace, ())]) as process:
        batch = started(process)
        assert (batch.failed.code, batch.console) == ("workspace", "")
        assert process.close() == 0


def test_every_cut_and_many_flips_of_a_workspace_fail_or_load_but_end_no_process_unheard() -> None:
    with interpreter() as process:
        source = "class P:\n    pass\np = P()\np.x = [1, {2: p}]\ndef f():\n    return p\n"
        snapshot = process.run(source).snapshot
    [data] = [segment.data for segment in snapshot.segments if b"\x81\xa1p" in segment.data]
    broken = [data[:length] for length in range(0, len(data), 23)]
    broken += [data[:at] + bytes([data[at] ^ 0x41]) + data[at + 1 :] for at in range(0, len(data), 17)]
    for changed in broken:
        others = [segment for segment in snapshot.segments if segment.data != data]
        with interpreter(workspace=[*others, Segment(3, changed, ())], sources={1: source.encode()}) as process:
            last = started(process).messages[-1]
            assert last.kind in ("finished", "failed")
            assert not (isinstance(last, Failed) and last.code == "bug"), last


def test_a_source_that_is_missing_or_not_allowed_any_more_fails_the_batch() -> None:
    with interpreter() as process:
        snapshot = process.run("import math\ndef f():\n    return math.pi\n").snapshot
    with interpreter(workspace=snapshot.segments) as process:
        assert started(process).failed.code == "workspace"
    strict = Policy(imports=("json",))
    with interpreter(
        strict, workspace=snapshot.segments, sources=dict(process.sources) or {1: b"import math\n"}
    ) as process:
        assert started(process).failed.code == "workspace"


HASHED = """
{before}
class Key:
    def __init__(self, name):
        self.name = name
    def __eq__(self, other):
        return self.name == other.name
    def __hash__(self):
        {body}
        return hash(self.name)
switch = []
table = {{Key('a'): 1}}
switch.append(1)
"""


def restored(body: str, then: str, *, before: str = "") -> Batch:
    """Keep a table whose keys run this when they are asked for their hashes, and go on in another process."""
    offered = {"count": lambda: 7}
    with interpreter(tools=offered) as process:
        first = process.run(HASHED.format(before=before, body=body))
        assert first.end.outcome == "ok", first.end
        with successor(process, first.snapshot, tools=offered) as other:
            return other.run(then, 2)


def test_what_a_hash_prints_while_variables_are_restored_is_not_printed_again() -> None:
    batch = restored("print('hashing')", "print(len(table))\n")
    assert (batch.console, batch.end.outcome) == ("1\n", "ok")


def test_a_hash_can_make_no_call_while_variables_are_restored() -> None:
    batch = restored("count()", "print(len(table))\n")
    assert (batch.calls, batch.console) == ([], "0\n")


def test_a_hash_can_report_nothing_while_variables_are_restored() -> None:
    body = "try:\n            getattr(int, '__subclasses' + '__')\n        except AttributeError:\n            pass"
    batch = restored(body, "print(len(table))\n")
    assert (batch.violations, batch.console) == ([], "1\n")


@pytest.mark.parametrize("leave", ["exit()", "raise SystemExit", "raise KeyboardInterrupt"])
def test_a_hash_that_leaves_fails_the_batch(leave: str) -> None:
    body = f"if len(globals_of()) > 0:\n            {leave}"
    source = HASHED.format(before="", body=body).replace(
        "switch = []", "switch = []\ndef globals_of():\n    return switch"
    )
    with interpreter() as process:
        first = process.run(source)
        assert first.end.outcome == "ok", first.end
        with successor(process, first.snapshot) as other:
            batch = other.run("print('reached')\n", 2)
            assert (batch.failed.code, batch.console) == ("workspace", "")
            assert "hash" in batch.failed.detail


def test_a_hash_may_use_the_guests_own_functions_and_variables() -> None:
    source = """
prefix = 'key '
def normal(name):
    return prefix + name.lower()
class Key:
    def __init__(self, name):
        self.name = name
    def __eq__(self, other):
        return normal(self.name) == normal(other.name)
    def __hash__(self):
        return hash(normal(self.name))
table = {Key('A'): 1}
members = {Key('B')}
frozen = frozenset({Key('C')})
"""
    with interpreter() as process:
        first = process.run(source)
        with successor(process, first.snapshot) as other:
            batch = other.run("print(table[Key('a')], Key('b') in members, Key('c') in frozen)\n", 2)
            assert (batch.console, batch.snapshot.transient) == ("1 True True\n", ())


def test_what_could_not_be_put_together_again_is_told_once() -> None:
    body = "if switch:\n            raise ValueError('not any more')"
    source = HASHED.format(before="", body=body)
    with interpreter() as process:
        first = process.run(source)
        with successor(process, first.snapshot) as other:
            [lost] = other.run("print(table)\n", 2).snapshot.transient
            assert (lost.type, lost.reason) == ("dict", "the hash of a key or member raised ValueError")
            assert other.run("x = 1\n", 3).snapshot.transient == ()


def test_the_clock_that_a_hash_reads_while_variables_are_restored_is_no_part_of_the_batch() -> None:
    batch = restored("time.time() and random.random()", "print(len(table))\n", before="import time, random")
    assert (batch.all(Observed), batch.console) == ([], "1\n")


def test_a_soft_limit_that_is_reached_while_variables_are_restored_ends_the_batch() -> None:
    body = "if switch:\n            for _ in range(4 * 10**7):\n                pass"
    with interpreter() as process:
        first = process.run(HASHED.format(before="", body=body))
        with successor(process, first.snapshot) as other:
            other.send(Run(2, "batch 2", b"print('reached')\n", 0, 0, ()))
            while metering.cpu_seconds(other.pid) < 0.1:  # well inside the hash, which takes longer than that
                os.sched_yield()
            other.signal(signal.SIGXCPU)
            batch = Batch(b"")
            other.go_on(batch)
            assert (batch.end.outcome, batch.console) == ("limit", "")


def test_where_the_guest_stands_is_never_before_where_the_batch_began() -> None:
    boundary = Boundary(SoftLimits(), lambda: None)
    boundary.begin(3)
    assert boundary.instruction == 3
    boundary.follow(CompiledBatch("<batch 1>", compile("", "", "exec"), (1,) * 7, (0, 1, 3, 5)))
    boundary.due = math.inf
    stood = [(bool(boundary), boundary.position, boundary.instruction) for _ in range(4)]
    assert stood == [(False, 3, 3), (False, 3, 3), (True, 3, 4), (True, 5, 6)]
    boundary.end()
    assert boundary.position == 7
