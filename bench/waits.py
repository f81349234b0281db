"""How soon does a job go on when what it waits for has come, with its interpreter still there, and without?

From the moment in which a client completes the future to the one in which another client is told what the guest
printed next: two commits of the ledger lie in between, and where the interpreter was given up, a new one and a replay.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from bench.measuring import Effort
from bench.rows import Row, Target
from bench.services import ServiceFailed, await_words, service
from statek.client.client import Client, Submission
from statek_policies import Policy
from statek_protocol.messages.client import JobEvent
from statek_protocol.values import encode_value

ROUNDS: Final = 40
PARKED_TARGET: Final = Target(most=0.005)

_APP: Final = """
from statek import FutureResult, temporal

@temporal()
def wait(key):
    return FutureResult(key=key)

tools = [wait]
"""
_GUEST: Final = """
for number in range({rounds}):
    value = wait(f"answer-{{number}}")
    print("got", value)
"""


def measure(effort: Effort) -> Iterator[Row]:
    """One row with the interpreter parked, one with it given up at once."""
    rounds = effort.rounds(ROUNDS)
    yield Row("parked wait goes on", _median(rounds, "600"), "s", target=PARKED_TARGET)
    yield Row("evicted wait goes on, by replay", _median(rounds, "0"), "s")


def _median(rounds: int, park_seconds: str) -> float:
    with tempfile.TemporaryDirectory(prefix="statek-bench-") as directory:
        app, store = Path(directory, "app.py"), Path(directory, "store")
        app.write_text(_APP)
        arguments = ("--store", str(store), "--app", str(app), "--workers", "1", "--park-seconds", park_seconds)
        with service("statek", "scheduler", *arguments) as process:
            await_words(process, b"scheduler ready")
            with Client(store / "client.sock") as client, Client(store / "client.sock") as follower:
                guest = _GUEST.format(rounds=rounds).encode()
                job = client.submit(Submission(None, Policy().to_wire(), {}, [("bench", guest)]))
                events = follower.follow(job.job, job.cursor)
                return statistics.median([_once(client, events, number) for number in range(rounds)])


def _once(client: Client, events: Iterator[JobEvent | None], number: int) -> float:
    """Complete the next future once the job waits for it, and return the seconds until it has gone on."""
    _await(events, "job_suspended")
    started = time.perf_counter()
    client.complete(f"answer-{number}", encode_value(number, max_bytes=1000, max_depth=1), None)
    _await(events, "console_printed")
    return time.perf_counter() - started


def _await(events: Iterator[JobEvent | None], kind: str) -> None:
    for event in events:
        if event is not None and event.kind == kind:
            return
        if event is not None and event.kind == "job_ended":
            break
    raise ServiceFailed(f"the job of the bench ended before there was a {kind}")
