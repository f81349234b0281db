"""What does it cost to keep variables: written beside pickle, beside many that nobody touched, and read again?"""

from __future__ import annotations

import itertools
import pickle  # noqa: TID251 - the floor to measure against; what it writes is never read
import time
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Final

from bench.measuring import Effort, interleaved, timed
from bench.nursery import Child, Nursery, nursery, run_message
from bench.rows import Row, Target
from statek_executor.workspace import Baseline, Definitions
from statek_policies import Policy
from statek_protocol.codec import encode
from statek_protocol.framing import frame
from statek_protocol.messages.interpreter import Finished, Load, Segment

PICKLE_TARGET: Final = Target(most=4.0)
UNTOUCHED_TARGET: Final = Target(most=1.2)
ELEMENTS: Final = (1_000, 10_000, 100_000)
ENCODE_ROUNDS: Final = 15
BATCH_ROUNDS: Final = 200
RESUME_ROUNDS: Final = 15
RESUMED_ITEMS: Final = 50_000

_CHANGE: Final = b"counter = counter + 1\n"


class _Nobody:
    """Hands out nothing."""

    def reference(self, obj: object) -> str | None:
        return None

    def resolve(self, ref: str) -> object:
        raise KeyError(ref)


def measure(effort: Effort) -> Iterator[Row]:
    """Variables written, left alone, and read."""
    for elements in ELEMENTS:
        yield _encoding(effort, elements)
    with nursery() as zygote:
        yield _untouched(effort, zygote)
        yield _resuming(effort, zygote)


def _encoding(effort: Effort, elements: int) -> Row:
    """One variable of so many rows, numbers, texts and lists, that changed and shares nothing."""
    rows = [[number, f"name {number}", {"x": number * 0.5}] for number in range(elements // 5)]
    baseline = _baseline({"rows": rows})
    touched = frozenset({"rows"})
    variants = {
        "ours": timed(partial(baseline.compare, touched, {})),
        "pickle": timed(partial(pickle.dumps, rows, 5)),
    }
    samples = interleaved(variants, effort.rounds(ENCODE_ROUNDS))
    name = f"checkpoint of {elements:,} changed elements"
    ratio = samples.ratio("ours", "pickle")
    return Row(name, samples.median("ours"), "s", "pickle", samples.median("pickle"), ratio, PICKLE_TARGET)


def _baseline(variables: Mapping[str, object]) -> Baseline:
    """A job that the scheduler has nothing of yet but what is beside the variables."""
    definitions = Definitions({}, lambda batch: compile("", "", "exec"))
    baseline = Baseline(definitions, _Nobody(), lambda names: {name: variables[name] for name in names or ()})
    baseline.advance(baseline.compare(frozenset(), {}))
    return baseline


def _untouched(effort: Effort, zygote: Nursery) -> Row:
    """The same batch in two interpreters, one of which has a hundred times as many variables."""
    with zygote.child("interpreter") as few, zygote.child("interpreter") as many:
        for child, variables in ((few, 10), (many, 1_000)):
            child.load()
            lines = [f"v{number} = list(range({number}, {number + 100}))" for number in range(variables)]
            child.run(run_message(1, "\n".join([*lines, "counter = 0"]).encode()))
        numbers = itertools.count(2)
        variants = {
            "few": lambda: _run(few, run_message(next(numbers), _CHANGE)),
            "many": lambda: _run(many, run_message(next(numbers), _CHANGE)),
        }
        samples = interleaved(variants, effort.rounds(BATCH_ROUNDS))
    ours, floor, ratio = samples.median("many"), samples.median("few"), samples.ratio("many", "few")
    return Row("batch beside 1,000 untouched variables", ours, "s", "beside 10", floor, ratio, UNTOUCHED_TARGET)


def _resuming(effort: Effort, zygote: Nursery) -> Row:
    """A first batch with a large workspace to go on from, beside one with none."""
    with zygote.child("interpreter") as child:
        child.load()
        source = f"rows = [[n, f'name {{n}}', n * 0.5] for n in range({RESUMED_ITEMS})]\ncounter = 0\n".encode()
        finished = child.run(run_message(1, source))
    assert finished.snapshot is not None
    whole, none = _load(finished), _load(None)
    variants = {"whole": lambda: _resume(zygote, whole), "none": lambda: _resume(zygote, none)}
    samples = interleaved(variants, effort.rounds(RESUME_ROUNDS))
    size = sum(len(segment.data) for segment in finished.snapshot.segments)
    name = f"resume with {size / 1e6:.1f} MB of variables"
    ours, floor, ratio = samples.median("whole"), samples.median("none"), samples.ratio("whole", "none")
    return Row(name, ours, "s", "resume with none", floor, ratio)


def _load(finished: Finished | None) -> bytes:
    segments: tuple[Segment, ...] = ()
    if finished is not None and finished.snapshot is not None:
        segments = finished.snapshot.segments
    return frame(encode(Load(Policy().to_wire(), segments, (), ())))


def _resume(zygote: Nursery, load: bytes) -> float:
    with zygote.child("interpreter") as child:
        child.come_to_rest()
        started = time.perf_counter()
        child.load(load)
        child.run(run_message(2, b"x = 1\n"))
        return time.perf_counter() - started


def _run(child: Child, order: bytes) -> float:
    started = time.perf_counter()
    child.run(order)
    return time.perf_counter() - started
