"""The application of a sweep: `statek scheduler --app` runs a copy of this file in the directory of the sweep.

Its tools leave traces beside it, in files that STATEK knows nothing of.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from statek import Agent, FutureResult, create_sub_task, temporal, tool

HERE = Path(__file__).parent
WARMUP = """
    # hidden
    total = 0

    def attempt(call, number):
        try:
            return call(number)
        except ToolOutcomeUnknown:
            return "unknown"
    # ----------
    print("tale", event["tale"])
"""


def record(name: str, line: str) -> None:
    """Write with O_APPEND: whole or not at all, and never twice."""
    file = os.open(HERE / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(file, line.encode())
    os.close(file)


def effect(number: int, *, idempotency_key: str) -> int:
    record("effects", f"{idempotency_key.split('/')[0]} {number}\n")
    return number * 10


@tool(thread=True)
def slow_effect(number: int, *, idempotency_key: str) -> int:
    record("effects", f"{idempotency_key.split('/')[0]} {number}\n")
    time.sleep(0.05)
    return number * 100


@tool(idempotent=True)
def repeatable(number: int, *, idempotency_key: str) -> int:
    record("repeated", f"{idempotency_key}\n")
    return number * 1000


def is_over(future: FutureResult) -> bool:
    return time.time() >= float(future.deps.split()[1])


def fetch(future: FutureResult) -> int:
    return int(future.deps.split()[0]) * 7


@tool(idempotent=True)
@temporal(condition=is_over, complement=fetch)
def wait(number: int, seconds: float) -> FutureResult:
    return FutureResult(f"{number} {time.time() + seconds}", 0)


@tool(idempotent=True)
@temporal()
def approval(key: str) -> FutureResult:
    """A value that somebody brings from outside."""
    return FutureResult(key=key)


@tool(idempotent=True)
@temporal()
def child(agent: str, number: int) -> FutureResult:
    """What another job ends with."""
    return create_sub_task(agent, {"event": {"tale": number}})


tools: list[Callable[..., object]] = [effect, slow_effect, repeatable, wait]


def agent(role: str, **options: Any) -> Agent:
    """An agent whose work nothing bounds but the sweep's own patience."""
    return Agent(
        role,
        "You tell tales.",
        model="gpt-4o-mini",
        tools=[*tools, approval, child],
        warmup=WARMUP,
        event_name="event",
        plain_reply="asks",
        limits={"cpu_seconds": 300.0, "wall_seconds": 3000.0, "calls": 1000},
        max_turns=None,
        max_token_usage=None,
        max_exceptions=None,
        max_consecutive_exceptions=None,
        **options,
    )


def decide(job: str, text: str) -> str:
    """Say what a message does to a job that waits: it ends the wait."""
    record("decisions", f"{job} {text}\n")
    return "wake"


agents = [
    agent("teller"),
    agent("caller", style="tool"),
    agent("waker", on_message="wake"),
    agent("asker", on_push=decide),
]
push_queues = ["main"]
