"""What a supervisor hears of its zygote."""

from __future__ import annotations

import signal
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from statek_executor.isolation.lockdown import SERVE_FAILED_CODE, failed_step
from statek_executor.isolation.posture import LayerState

ZYGOTE_SIGNALLED: Final = 128
"""Added to a signal's number, the launcher's exit status when a signal has ended its zygote, as shells do it."""


@dataclass(frozen=True, slots=True)
class Ready:
    """What a zygote said when its walls were up."""

    baseline_data_bytes: int
    """What a child has of RLIMIT_DATA before a guest asked for anything; limits go on top of it."""
    baseline_address_bytes: int
    """Ditto of RLIMIT_AS."""
    report: Mapping[str, LayerState]
    """What the zygote did about each of its layers, or why it could not: a claim; the posture is what probes found."""


@dataclass(frozen=True, slots=True)
class Forked:
    """A child exists. The receiver owns the pidfd and the socket, and closes both."""

    tag: int
    pid: int
    """In this process's pid namespace. Signals go through the pidfd, which cannot mean another process later."""
    pidfd: int
    sock: socket.socket


@dataclass(frozen=True, slots=True)
class ForkRefused:
    """The child that was asked for under this tag will not come; nothing else follows under this tag."""

    tag: int
    reason: str


@dataclass(frozen=True, slots=True)
class Exited:
    """A child has ended and is reaped: by an exit code or by a signal."""

    tag: int
    exit_code: int | None
    signal: int | None
    cpu_seconds: float
    max_rss_bytes: int


@dataclass(frozen=True, slots=True)
class Gone:
    """The zygote has ended, and every child with it. The last event."""

    reason: str


Event: TypeAlias = Forked | ForkRefused | Exited | Gone


def describe_exit(exit_code: int | None, signal_number: int | None) -> str:
    """How a child ended, in words."""
    if signal_number is not None:
        return f"ended by {signal.Signals(signal_number).name}"
    if exit_code is not None and (step := failed_step(exit_code)):
        return f"gave up at the lock-down step {step!r}"
    if exit_code == SERVE_FAILED_CODE:
        return "ended by an error of its own program"
    return f"ended with exit status {exit_code}"
