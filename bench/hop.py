"""What does a tool call cost, through ZeroMQ, supervisor, interpreter and back, beside an echo over a socket pair?"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Final

from bench.measuring import Effort, interleaved, timed
from bench.nursery import nursery
from bench.rows import Row, Target
from bench.scheduling import Lease, lease
from statek_protocol.messages.interpreter import Call

ROUNDS: Final = 400
TARGET: Final = Target(most=7.0)
FLOOR: Final = "echo by a bare child"

_SOURCE: Final = b"while True:\n    ping(1)\n"
_PAYLOAD: Final = bytes(80)
"""About as long as the call and its reply."""


def measure(effort: Effort) -> Iterator[Row]:
    """From the reply to one call to the arrival of the next: two hops each way, and the guest in between."""
    with (
        tempfile.TemporaryDirectory(prefix="statek-bench-") as directory,
        lease(Path(directory)) as job,
        nursery() as zygote,
        zygote.child("echo") as echo,
    ):
        variants = {"echo": timed(partial(echo.echo, _PAYLOAD)), "call": timed(_next_call(job))}
        samples = interleaved(variants, effort.rounds(ROUNDS))
    ours, floor = samples.median("call"), samples.median("echo")
    yield Row("tool call, end to end", ours, "s", FLOOR, floor, samples.ratio("call", "echo"), TARGET)


def _next_call(job: Lease) -> Callable[[], None]:
    pending: list[Call] = [job.begin(_SOURCE)]

    def step() -> None:
        pending.append(job.answer(pending.pop()))

    return step
