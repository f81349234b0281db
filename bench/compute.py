"""How much slower does a guest compute than plain CPython? Ten kernels, compiled and run both ways in one process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from bench.kernels import KERNELS
from bench.measuring import Effort, Samples, geometric_mean, interleaved, timed
from bench.rows import Row, Target
from statek_policies import Policy, Violation
from statek_policies.language import AbsentHost, build_environment, compile_batch

ROUNDS: Final = 15
GEOMEAN_TARGET: Final = Target(most=1.1)
WORST_TARGET: Final = Target(most=2.0)
FLOOR: Final = "plain CPython"


class SilentHost(AbsentHost):
    """A host for programs that only compute."""

    def write(self, text: str) -> None:
        raise AssertionError(f"a kernel printed {text!r}")

    def sleep(self, seconds: float) -> None:
        raise AssertionError("a kernel slept")

    def violation(self, violation: Violation) -> None:
        raise AssertionError(str(violation))


def measure(effort: Effort) -> Iterator[Row]:
    """One row for each kernel, one for all of them and one for the worst."""
    rows = [_row(name, _compare(source, effort)) for name, source in KERNELS.items()]
    yield from rows
    ratios = {row.name: row.ratio or 0.0 for row in rows}
    ours, theirs = sum(row.ours for row in rows), sum(row.floor or 0.0 for row in rows)
    mean, worst = geometric_mean(ratios.values()), max(ratios.values())
    yield Row("compute: geometric mean of the ten", ours, "s", FLOOR, theirs, mean, GEOMEAN_TARGET)
    worst_row = next(row for row in rows if row.ratio == worst)
    yield Row("compute: the worst of them", worst_row.ours, "s", FLOOR, worst_row.floor, worst, WORST_TARGET)


def _row(name: str, samples: Samples) -> Row:
    ours, floor = samples.median("ours"), samples.median("floor")
    return Row(f"compute: {name}", ours, "s", FLOOR, floor, samples.ratio("ours", "floor"))


def _compare(source: str, effort: Effort) -> Samples:
    guest, native = _guest(source), _native(source)
    if guest() != native():
        raise AssertionError("the guest computed something else")
    return interleaved({"ours": timed(guest), "floor": timed(native)}, effort.rounds(ROUNDS))


def _guest(source: str) -> Callable[[], Any]:
    policy = Policy()
    batch = compile_batch(source.encode(), name="<kernel>", policy=policy)
    namespace = build_environment(policy, SilentHost()).globals
    exec(batch.code, namespace)  # noqa: S102 - what an interpreter does
    return _run_of(namespace)


def _native(source: str) -> Callable[[], Any]:
    namespace: dict[str, Any] = {"__name__": "kernel"}
    exec(compile(source, "<kernel>", "exec"), namespace)  # noqa: S102 - the floor
    return _run_of(namespace)


def _run_of(namespace: dict[str, Any]) -> Callable[[], Any]:
    run: Callable[[], Any] = namespace["run"]
    return run
