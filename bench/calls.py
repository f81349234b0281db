"""What does a call cost through a whole scheduler, with everything durable, beside an echo over a socket pair?

An agent's batch makes many calls; the time of one is that of the batch divided by their number. In it are the way
there and back (`hop` measures that alone), two commits of the ledger, and the turn in dbzero's thread.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final

from bench.measuring import Effort, interleaved, timed
from bench.nursery import nursery
from bench.rows import Row
from bench.services import ServiceFailed, await_words, service
from statek.client.client import Client, Submission
from statek_policies import Policy
from statek_protocol.messages.client import JobEvent

ROUNDS: Final = 5
CALLS: Final = 100
"""Calls in a batch; a policy's default allows 200."""
FLOOR: Final = "echo by a bare child"
_PAYLOAD: Final = bytes(80)
"""About as long as a call and its reply."""

_APP: Final = """
import dbzero as db0

@db0.memo(id="bench/Counter", singleton=True)
class Counter:
    def __init__(self):
        self.value = 0
    def count(self):
        self.value += 1

def ping(value):
    return value

db0.open("bench", "rw")
tools = [ping]
locals = {"counter": Counter()}
"""
_VARIANTS: Final = (
    ("tool", "tool call, durable", "ping(1)"),
    ("attribute", "attribute of a dbzero object", "counter.value"),
    ("method", "method that changes a dbzero object, once", "counter.count()"),
)


def measure(effort: Effort) -> Iterator[Row]:
    """One row for each kind of call."""
    with (
        tempfile.TemporaryDirectory(prefix="statek-bench-") as directory,
        _agent(Path(directory)) as run,
        nursery() as zygote,
        zygote.child("echo") as echo,
    ):
        batches = {key: partial(run, f"for _ in range({CALLS}):\n    {call}\n".encode()) for key, _, call in _VARIANTS}
        variants = {
            "echo": timed(partial(echo.echo, _PAYLOAD)),
            **{key: timed(batch) for key, batch in batches.items()},
        }
        samples = interleaved(variants, effort.rounds(ROUNDS))
    floor = samples.median("echo")
    for key, name, _ in _VARIANTS:
        yield Row(name, samples.median(key) / CALLS, "s", FLOOR, floor, samples.ratio(key, "echo") / CALLS)


@contextmanager
def _agent(directory: Path) -> Iterator[Callable[[bytes], None]]:
    """A scheduler with a local pool and an application, and a function that runs a batch of one job on it."""
    app, store = directory / "app.py", directory / "store"
    app.write_text(_APP)
    arguments = ("scheduler", "--store", str(store), "--app", str(app), "--workers", "1")
    with service("statek", *arguments) as process:
        await_words(process, b"scheduler ready")
        with Client(store / "client.sock") as submitter, Client(store / "client.sock") as follower:
            first = submitter.submit(Submission(None, Policy().to_wire(), {}, [("bench", b"pass")]))
            yield partial(_run, submitter, first.job, follower.follow(first.job, first.cursor))


def _run(client: Client, job: str, events: Iterator[JobEvent | None], source: bytes) -> None:
    """Run a batch. One conversation follows the job all the time: each further one would cost every call."""
    accepted = client.submit(Submission(job, None, {}, [("bench", source)]))
    for event in events:
        if event is None or event.kind != "batch_ended" or event.body.get("batch") != accepted.first_batch:
            continue
        if event.body["outcome"] != "ok":
            raise ServiceFailed(f"a batch of the bench ended so: {event.body}")
        return
