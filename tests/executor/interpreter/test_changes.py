"""Is everything sent that a batch can have changed, and nothing that it cannot?"""

from __future__ import annotations

import gc
import itertools
from collections.abc import Iterator

import msgpack
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from interpreter_stand import changed
from kept_job import POLICY, KeptJob

from statek_executor.interpreter import batch
from statek_protocol.messages.interpreter import Finished, Run
from statek_protocol.values import encode_value

BEGINNING = """
from functools import cache, partial
import datetime
class Base:
    shared = []
    known = {}
    def __init_subclass__(cls):
        Base.known[cls.__name__] = cls
    def add(self, part):
        self.parts.append(part)
    def __init__(self):
        self.parts = []
class Other:
    __slots__ = ('only',)
class Zone(datetime.tzinfo):
    def __init__(self):
        self.told = []
    def utcoffset(self, when):
        return datetime.timedelta(0)
    def dst(self, when):
        return None
    def tzname(self, when):
        return 'zone'
def remember(part, held=[]):
    held.append(part)
    return held
@cache
def once(number):
    return [number]
def pair(part):
    kept = [part]
    def get():
        return kept
    def put(more):
        nonlocal kept
        kept = [*kept, more]
    return get, put
def watched(log):
    try:
        yield log
    finally:
        if type(log) is list:
            log.append('closed')
def rebinding():
    global a
    a = ['from a function']
def reading():
    return b
def ring(log):
    held = {'generator': watched(log)}
    next(held['generator'])
    held['itself'] = held
zone = Zone()
a, b, c, d, e, f = [1], {'k': [2]}, (3, []), Base(), [[4]], None
"""

STATEMENTS = """
{x} = []
{x} = {{'k': {y}}}
{x} = {y}
{x} = [{y}, {z}]
{x} = ({y}, {n})
{x} = {n}
{x} = 'text'
{x}.append({y})
{x}['k'] = {y}
{x}[0] = {y}
{x}[0].append({n})
{x}['k'].append({n})
{x}.parts.append({n})
{x}.parts = {y}
{x} = Base()
{x} = Other()
{x}.only = {y}
{x}.add({n})
{x} = {y}.add
{x} = {y}.append
{x}({n})
{x}()
{x}().append({n})
{x} = remember({y})
remember({n})
remember.note = {x}
remember.note.append({n})
Base.shared = {x}
Base.shared.append({n})
{x} = Base.shared
{x} = Base.known
class Derived(Base): more = {x}
Base.known['Derived'].more.append({n})
{x} = Base.known['Derived']()
{x}, {y} = pair({z})
once({n}).append({n})
{x} = once({n})
{x} = partial(remember, {y})
{x} = lambda: {y}
{x} = lambda held={y}: held.append({n})
rebinding()
{x} = reading()
reading().append({n})
[{x}.append(part) for part in (1, 2)]
{x} = [{y} for _ in (1, 2)]
for {x} in [{y}, {z}]: pass
{x} = watched({y})
next({x})
{x}.close()
ring({x})
{x} = [[] for _ in range(400)]
{x} = iter({y})
{x} = {{'lost': iter({y}), 'kept': {z}}}
next({x})
del {x}
{x} = datetime.datetime(2020, 1, 1, tzinfo=zone)
{x}.tzinfo.told.append({n})
{x} = zone
{x} = datetime
Base = Other
class Base: shared = {x}; known = {{}}
def remember(part, held={x}): held.append(part); return held
with_error({x})
{x} = error
{x} = vars({y})
{x} = Base.__subclasses__()
setattr({x}, 'parts', {y})
{x} = memoryview(bytearray(3))
{x} = type({y})
{x} = {y}.__class__
""".strip().splitlines()


@pytest.fixture(scope="module", autouse=True)
def _a_small_heap() -> Iterator[None]:
    """Collect garbage when a test says so, and leave its own objects out, or most of the time would go there."""
    gc.freeze()
    gc.disable()
    yield
    gc.enable()


NAMES = st.sampled_from("abcdef")


@st.composite
def batches(draw: st.DrawFn) -> str:
    """A few statements, each of which may fail."""
    lines = []
    for _ in range(draw(st.integers(1, 3))):
        filled = draw(st.sampled_from(STATEMENTS)).format(
            x=draw(NAMES), y=draw(NAMES), z=draw(NAMES), n=draw(st.integers(0, 3))
        )
        lines += ["try:", f"    {filled}", "except Exception: pass"]
    return "\n".join(lines)


@given(st.lists(batches(), min_size=1, max_size=6))
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_kept_is_what_there_is_after_every_batch(programs: list[str]) -> None:
    job = KeptJob()
    job.run(BEGINNING)
    for program in programs:
        gc.collect()  # what the last batch left as garbage may still change variables when it is collected
        job.run(program)
        there_is = job.describe()
        assert job.successor().describe() == there_is, "\n--\n".join(programs)


@given(st.lists(batches(), min_size=2, max_size=6), st.integers(0, 5))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_a_job_that_moved_sends_what_it_changes_like_one_that_stayed(programs: list[str], when: int) -> None:
    job = KeptJob()
    job.run(BEGINNING)
    for number, program in enumerate(programs):
        if number == when % len(programs):
            job = job.successor()
        gc.collect()
        job.run(program)
    there_is = job.describe()
    assert job.successor().describe() == there_is


def names_sent(job: KeptJob, source: str) -> set[str]:
    """Run a batch and tell the variables of the segments that it sends; what is beside the variables has none."""
    sent = job.run(source).segments
    return {name for segment in sent for name in msgpack.unpackb(segment.data, strict_map_key=False)[1]} - BESIDE


BESIDE = {"random", "draw", "monotonic", "objects"}


def started(source: str) -> KeptJob:
    job = KeptJob()
    job.run(source)
    return job


@pytest.mark.parametrize("moved", [False, True])
def test_of_a_thousand_variables_only_the_one_that_changed_is_sent(moved: bool) -> None:
    job = started("\n".join(f"v{number} = [{number}]" for number in range(1_000)))
    job = job.successor() if moved else job
    assert names_sent(job, "v7.append(1)\nx = v8[0]") == {"v7", "x"}
    assert names_sent(job, "x = v8[0]") == set()


@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize(
    ("before", "then", "sent"),
    [
        ("a = []\nb = a\nc = []", "a.append(1)", {"a", "b"}),
        ("a = [[]]\nb = {'k': a[0]}\nc = 1", "b['k'].append(1)", {"a", "b"}),
        ("class P: pass\np, q = P(), P()", "p.x = 1", {"p"}),
        ("class P: pass\np, q = P(), P()", "P.x = 1", {"P"}),
        ("class P: pass\np, q = P(), P()", "class P: x = 2", {"P", "p", "q"}),
        ("class P: pass\nQ = P\np = P()", "del P", {"Q", "p"}),
        ("class A: pass\nclass B(A): pass\nb = B()", "b.x = 1", {"b"}),
        ("def f(held=[]): held.append(1)\ng = f\nx = 1", "g()", {"f"}),
        ("def f(): state.append(1)\nstate = []\nx = []", "f()", {"state"}),
        ("def both(n):\n    return n.append, lambda: n\nput, get = both([])\nx = 1", "put(1)", {"put", "get"}),
        ("x = (1, 'text', (2.5, None))\ny = [x]", "z = y", {"x", "y", "z"}),
        ("x = []", "x.append(1)\nx.pop()", set()),
    ],
)  # fmt: skip
def test_what_a_batch_reaches_is_sent_if_it_changed(before: str, then: str, sent: set[str], moved: bool) -> None:
    job = started(before)
    assert names_sent(job.successor() if moved else job, then) == sent


@pytest.mark.parametrize(
    ("before", "then", "sent"),
    [
        ("from functools import cache\n@cache\ndef f(): return []\nx = f()\ny = []", "f().append(1)", {"f", "x"}),
        ("def gen(l):\n    yield\n    l.append(1)\nx = []\nh = [gen(x)]\nnext(h[0])", "list(h[0])", {"h", "x"}),
    ],
)
def test_what_is_reached_by_what_is_not_kept_is_sent_if_it_changed(before: str, then: str, sent: set[str]) -> None:
    job = started(before)
    assert names_sent(job, then) == sent
    assert job.successor().describe() == job.describe()


def test_a_variable_that_is_gone_is_dropped() -> None:
    job = started("x = [1]\ny = [2]")
    before = {segment.number for segment in job.segments.values() if b"\xa1x" in segment.data}
    assert set(job.run("del x").dropped) == before
    assert "x" not in job.successor().variables()


def test_what_runs_when_garbage_is_collected_in_a_later_batch_is_sent() -> None:
    job = started(BEGINNING + "log = []\nring(log)\n")
    gc.collect()
    assert "log" in names_sent(job, "other = 1")
    assert job.successor().variables()["log"] == ["closed"]


HELD = """
count, log = 0, []
def held(name):
    global count
    try:
        yield name
    finally:
        count += 1
        log.append(name)
        late[name] = held(name + "'") if len(name) < 3 else None
late = {}
class Reader:
    def __init__(self):
        self.rows = self.read()
    def read(self):
        with self:
            yield 1
    def __enter__(self):
        return self
    def __exit__(self, *_):
        log.append("left")
"""


@pytest.mark.parametrize("then", ["g = held('g')\nnext(g)", "r = Reader()\nnext(r.rows)\nr = r.rows"])
def test_what_the_end_of_a_value_changes_that_is_not_kept_is_sent_with_its_batch(then: str) -> None:
    job = started(HELD)
    job.run(then)
    assert len(job.variables()["log"]) == 1  # type: ignore[arg-type]
    assert job.successor().describe() == job.describe()
    assert job.successor().variables()["log"] == job.variables()["log"]


def test_what_a_redirection_that_was_left_open_takes_down_is_sent() -> None:
    job = started(
        "import io, contextlib\nout = io.StringIO()\nstack = contextlib.ExitStack()\n"
        "stack.enter_context(contextlib.redirect_stdout(out))"
    )
    job.run("print('taken down')")
    assert job.successor().variables()["out"].getvalue() == "taken down\n"  # type: ignore[attr-defined]


def test_each_snapshot_of_a_batch_stands_for_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """The scheduler may have taken up any of those that came before."""
    monkeypatch.setattr(batch, "WORTH_FACTOR", 0)  # where others work too, encoding may take as long as they leave it
    job = started("a = [1]\nb = [2]\nclass C: pass\nc = C()")
    before = dict(job.segments)
    busy = "import time\ndef work():\n    until = time.perf_counter() + 0.06\n    while time.perf_counter() < until:\n"
    busy += "        pass\n"
    steps = ["a.append(b)\nkept = C\nclass C: pass", "C = kept\na.pop()\nd = [a]", "del d\nb.append(3)\nx = 1"]
    last = job.run(busy + "".join(f"work()\n{step}\n" for step in [*steps, "pass"]))
    taken = job.checkpoints()
    assert len(taken) >= 3
    there_is = job.describe()
    for chosen in itertools.product([False, True], repeat=len(taken)):
        segments = before
        for snapshot in itertools.compress(taken, chosen):
            segments = changed(segments, snapshot)
        assert job.successor(changed(segments, last)).describe() == there_is


def test_what_the_host_puts_in_place_is_sent_with_the_next_snapshot() -> None:
    job = KeptJob()
    job.session.take_up([encode_value({"given": [1]}, max_bytes=1_000, max_depth=8)])
    assert "given" in names_sent(job, "x = 1")


def test_variables_that_are_too_many_are_told_after_each_batch_also_one_that_changes_nothing() -> None:
    before = KeptJob()
    before.run("a, b = 1, 2")
    job = before.successor()
    job.session.policy = POLICY.with_limits(variables=1)
    for batch_number in range(2, 6):
        job._runner.run(Run(batch_number, "batch", b"print(b, a)", 0, 0, ()))
        finished = job._channel.sent[-1]
        assert isinstance(finished, Finished)
        assert finished.limit is not None
        assert finished.limit.name == "variables"


def test_a_batch_that_runs_again_sends_what_is_another_value_by_then() -> None:
    job = KeptJob()
    job.run("total, rows = 1, [1]")
    repeated = "rows = [len(rows)]\ntotal = 0 + total\nprint(rows, total)"
    assert [len(job.run(repeated).segments) for _ in range(3)] == [0, 0, 0]
    job.run("total = 2")
    assert [len(job.run(repeated).segments) for _ in range(3)] == [0, 0, 0]
    job.run("rows = [3, 4]")
    assert [sorted(job.successor().variables()) for _ in range(2)] == [["rows", "total"]] * 2
    assert [len(job.run(repeated).segments) for _ in range(3)] == [1, 1, 0]
    assert job.successor().variables() == {"rows": [1], "total": 2}
