"""What does it cost to check a source against the policy and compile it, beside CPython's own compile()?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from bench.measuring import Effort, Samples, geometric_mean, interleaved, timed
from bench.programs import agent_programs, ten_statements
from bench.rows import Row, Target
from statek_policies import Policy
from statek_policies.language import compile_batch

ROUNDS: Final = 60
PROGRAM_ROUNDS: Final = 9
TARGET: Final = Target(most=3.5)
FLOOR: Final = "compile()"


def measure(effort: Effort) -> Iterator[Row]:
    """One row for a short batch, one for the programs of real agents."""
    short = _compare(ten_statements(0), effort.rounds(ROUNDS))
    ours, floor, ratio = short.median("ours"), short.median("floor"), short.ratio("ours", "floor")
    yield Row("check + compile: ten statements", ours, "s", FLOOR, floor, ratio, TARGET)
    sources = list(agent_programs().values())
    found = [_compare(source, effort.rounds(PROGRAM_ROUNDS)) for source in sources]
    ours, floor = sum(each.median("ours") for each in found), sum(each.median("floor") for each in found)
    ratio = geometric_mean(each.ratio("ours", "floor") for each in found)
    yield Row(f"check + compile: {len(sources)} agent programs", ours, "s", FLOOR, floor, ratio, TARGET)


def _compare(source: bytes, rounds: int) -> Samples:
    checked = partial(compile_batch, source, name="<batch 1>", policy=Policy())
    native = partial(compile, source, "<batch 1>", "exec", dont_inherit=True)
    return interleaved({"ours": timed(checked), "floor": timed(native)}, rounds)
