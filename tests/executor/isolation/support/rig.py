"""What tests hold of a stand: a process that stands in for a supervisor, as root or as an ordinary user."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

SUPPORT = Path(__file__).parent
DEADLINE_SECONDS = 30.0


class Rig:
    """One running stand."""

    def __init__(self, command: Sequence[str]) -> None:
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", text=True)
        try:
            assert self._answer() == "ready"
        except AssertionError:
            self.close()
            raise

    def order(self, *order: object) -> Any:
        """Have the stand do something."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self._answer()

    def run(self, source: str, *, memory: int | None = None, cpu: int | None = None) -> dict[str, Any]:
        """Run a program in a locked-down child."""
        outcome: dict[str, Any] = self.order("run", source, memory, cpu)
        return outcome

    def descendants(self) -> list[psutil.Process]:
        """Launcher, zygote, template, children."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def close(self) -> None:
        """End the stand in the ordinary way; nothing under it may survive."""
        descendants = self.descendants() if self.process.poll() is None else []
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait(DEADLINE_SECONDS)
        wait_until(lambda: not any(is_alive(process) for process in descendants), "the stand's processes end")

    def _answer(self) -> Any:
        assert self.process.stdout is not None
        assert select.select([self.process.stdout], [], [], DEADLINE_SECONDS)[0], "the stand is silent"
        line = self.process.stdout.readline()
        assert line, f"the stand ended with status {self.process.wait(DEADLINE_SECONDS)}"
        return json.loads(line)


@dataclass(frozen=True, slots=True)
class Account:
    """A user to run a supervisor as."""

    python: Sequence[str]
    """The command that runs Python as that user."""
    support: Path
    """Where that user can read this folder."""


def own_account() -> Account:
    """The user who runs the tests."""
    return Account([sys.executable, "-s", "-P"], SUPPORT)


@contextmanager
def rig(account: Account, without: Sequence[str] = ()) -> Iterator[Rig]:
    """A stand for the time of a with block, with or without some layers."""
    running = Rig([*account.python, str(account.support / "stand.py"), ",".join(without)])
    try:
        yield running
    finally:
        running.close()


def is_alive(process: psutil.Process) -> bool:
    """Whether it still runs; one that nobody has reaped yet does not."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def wait_until(condition: Callable[[], bool], what: str) -> None:
    """Wait for something to become true."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    never = os.eventfd(0)
    try:
        while not condition():
            assert time.monotonic() < deadline, f"not in time: {what}"
            select.select([never], [], [], 0.005)
    finally:
        os.close(never)
