"""The processes that an operator would start by hand: started, waited for, and always ended."""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from demo.app import REPORTS_VARIABLE
from statek.client.client import Client
from statek.store.directory import StoreDirectory

ROOT: Final = Path(__file__).parents[1]
APP: Final = Path(__file__).parent / "app.py"
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0
PING_SECONDS: Final = 0.25
LOG_LINES: Final = 20
_PR_SET_PDEATHSIG: Final = 1


class ServicesFailed(Exception):
    """One of the processes did not start, or ended early; the text has its last words."""


class Services:
    """Commands that serve a store, the scheduler's first, for the time of a with block."""

    def __init__(
        self, store: Path, log: Path, commands: Sequence[Sequence[str]], environment: Mapping[str, str]
    ) -> None:
        """`environment` is what the commands have beside our own; what they say goes to `log`."""
        self.store = store
        self._log = log
        self._commands = tuple(list(command) for command in commands)
        self._environment = environment
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def command_lines(self) -> list[str]:
        """The commands as one would type them."""
        return [_typed(command) for command in self._commands]

    @property
    def client_socket(self) -> Path:
        return StoreDirectory(self.store).client_socket

    @property
    def scheduler_pid(self) -> int:
        return self._processes[0].pid

    def __enter__(self) -> Services:
        StoreDirectory.create_or_open(self.store)
        try:
            with self._log.open("wb") as log:
                self._processes += [self._start(command, log) for command in self._commands]
            self._wait_until_connected()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def check(self) -> None:
        """Raise `ServicesFailed` if one of them has ended."""
        for process, command in zip(self._processes, self._commands, strict=False):
            if process.poll() is not None:
                raise ServicesFailed(f"{_typed(command)} ended with status {process.returncode}\n{self.last_words()}")

    def stop(self) -> list[int]:
        """End all in good order, by force what does not end in time, undisturbed; returns their exit statuses."""
        handlers = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            # The executor first: it takes its leave of the scheduler.
            return [_end(process) for process in reversed(self._processes)]
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)

    def _start(self, command: list[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start in a session of its own, so that Ctrl-C reaches only us and we end things in order."""
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            cwd=ROOT,
            env={**os.environ, **self._environment},
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )

    def _wait_until_connected(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        with Client(self.client_socket) as client:
            while (alive := client.ping(PING_SECONDS)) is None or not alive.executors:
                self.check()
                if time.monotonic() > deadline:
                    raise ServicesFailed(f"no executor connected within {START_SECONDS:.0f} s\n{self.last_words()}")

    def last_words(self) -> str:
        """Return the end of what they have logged."""
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:])


def apart(directory: Path, reports: Path, workers: int) -> Services:
    """A scheduler and an executor pool on a store of their own."""
    store, endpoint = directory / "store", f"ipc://{directory}/executors.ipc"
    scheduler = ["scheduler", "--store", str(store), "--listen", endpoint, "--app", _relative(APP)]
    commands = (
        [_command("statek"), *scheduler],
        [_command("statek-executor"), "--connect", endpoint, "--workers", str(workers)],
    )
    reports.mkdir()
    return Services(store, directory / "services.log", commands, {REPORTS_VARIABLE: str(reports)})


def _typed(command: Sequence[str]) -> str:
    return shlex.join((_relative(Path(command[0])), *command[1:]))


def _command(name: str) -> str:
    return str(Path(sys.executable).parent / name)


def _relative(path: Path) -> str:
    """Return the path as one would type it from here."""
    return str(path.relative_to(ROOT)) if path.is_relative_to(ROOT) else str(path)


_LIBC: Final = ctypes.CDLL(None)


def _die_with_parent() -> None:
    """Runs in the child, before its program: have the kernel end it when we are killed and can end nothing any more."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def _end(process: subprocess.Popen[bytes]) -> int:
    process.terminate()
    try:
        return process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()
