"""`python -m ablation.lenient executor|scheduler LAYER,LAYER ...`: a command of ours that believes more than it should.

The test build of both: patched before they begin, and then run with the arguments that are left. An executor's
interpreters run marked batches as native code.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import msgpack

from statek_protocol.codec import decode
from statek_protocol.errors import ProtocolError
from statek_protocol.messages.base import Message
from statek_protocol.messages.interpreter import Observed

HOSTILE: Final = Path(__file__).parents[1] / "tests" / "escapes" / "process" / "support" / "launch.py"


def believe_interpreters() -> None:
    """Let the supervisor pass on whatever its interpreters say."""
    from statek_executor.supervisor import flow, lease, quotas

    vars(lease).update(decode=_whatever_it_is, check_honest=_nothing)
    for cls, name, lax in (
        (quotas.BatchQuota, "count", _nothing),
        (flow.Flow, "is_spare", lambda *_: False),
        (flow.Flow, "pause_after", lambda *_: 0.0),
    ):
        setattr(cls, name, lax)


def believe_forms() -> None:
    """Let the scheduler take messages whatever is in their fields."""
    from statek.api import executors

    vars(executors)["decode"] = _unchecked


def believe_turns() -> None:
    """Let the scheduler take whatever is said as due: any number of a call, any batch, any amount."""
    from statek.core import calls, machine

    due, receive = calls.receive, machine.receive

    def any_call(job: Any, running: Any, lease: Any, message: Any, *more: Any) -> Any:
        return due(job, running, replace(lease, awaiting=None), replace(message, number=lease.calls), *more)

    def anything(job: Any, lease: Any, message: Any, *more: Any) -> Any:
        if job.running is not None and hasattr(message, "batch"):
            message = replace(message, batch=job.running.batch)
        return receive(job, lease, message, *more)

    vars(calls)["receive"] = any_call
    vars(machine).update(receive=anything, _check_amount=_nothing)


def offer_every_tool() -> None:
    """Let the scheduler offer every tool to every job."""
    from statek.core.leases import Lease

    Lease.allows_tool = lambda *_: True  # type: ignore[method-assign]


def run_every_tool() -> None:
    """Let the runner run what it is told to, whatever the policy offers."""
    from statek_policies import Policy

    Policy.offers_tool = lambda *_: True  # type: ignore[method-assign]


SWITCHES: Final[dict[str, Callable[[], None]]] = {
    "supervisor": believe_interpreters,
    "schema": believe_forms,
    "turn": believe_turns,
    "tools": offer_every_tool,
    "runner": run_every_tool,
}


def _nothing(*_: Any, **__: Any) -> None:
    """Hold nothing against anybody."""


def _whatever_it_is(data: bytes, kinds: frozenset[type[Message]]) -> Message:
    try:
        return decode(data, kinds)
    except ProtocolError:
        return Observed(1, b"")  # the bytes are passed on as they are; this only stands for them


def _unchecked(data: bytes, kinds: frozenset[type[Message]]) -> Message:
    fields = msgpack.unpackb(data, strict_map_key=False)
    cls = next((cls for cls in kinds if cls.kind == fields.get("kind")), None)
    if cls is None or cls.__module__.endswith("executor"):
        return decode(data, kinds)  # between supervisor and scheduler, which trust each other's form
    try:
        return decode(data, kinds)
    except ProtocolError:
        return cls(**{name: value for name, value in fields.items() if name != "kind"})


def run_executor(arguments: list[str]) -> int:
    """Be the command statek-executor with hostile interpreters."""
    from statek_executor.__main__ import main
    from statek_executor.supervisor import service
    from statek_executor.supervisor.zygote_client import ZygoteClient

    command = (sys.executable, "-s", "-P", str(HOSTILE))
    vars(service)["ZygoteClient"] = functools.partial(ZygoteClient, command=command)
    return main(arguments)


def run_scheduler(arguments: list[str]) -> int:
    """Be the command statek, which ends the process by itself."""
    from statek.cli.main import main

    sys.argv[1:] = arguments
    main()
    return 0


if __name__ == "__main__":
    role, layers, *rest = sys.argv[1:]
    for layer in filter(None, layers.split(",")):
        SWITCHES[layer]()
    sys.exit(run_executor(rest) if role == "executor" else run_scheduler(rest))
