"""Is everything sent that a batch can have changed, and nothing that it cannot?"""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kept_job import KeptJob

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
    gc.unfreeze()


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
