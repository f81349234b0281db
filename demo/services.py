"""The two processes that an operator would start by hand: started, waited for, and always ended."""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import IO, Final

from demo.app import REPORTS_VARIABLE
from statek.cli.client import Client
from statek.store.directory import StoreDirectory

APP: Final = Path(__file__).parent / "app.py"
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 15.0
PING_SECONDS: Final = 0.25
LOG_LINES: Final = 20
_PR_SET_PDEATHSIG: Final = 1


class ServicesFailed(Exception):
    """One of the two processes did not start, or ended early; the text has its last words."""


class Services:
    """A scheduler and an executor pool on a store of their own, for the time of a with block."""

    def __init__(self, directory: Path, workers: int) -> None:
        self.reports = directory / "reports"
        self._log = directory / "services.log"
        self._store = directory / "store"
        endpoint = f"ipc://{directory}/executors.ipc"
        scheduler = ["scheduler", "--store", str(self._store), "--listen", endpoint, "--app", _relative(APP)]
        self._commands = (
            [_command("statek"), *scheduler],
            [_command("statek-executor"), "--connect", endpoint, "--workers", str(workers)],
        )
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def command_lines(self) -> tuple[str, str]:
        """The two commands as one would type them."""
        scheduler, executor = map(shlex.join, self._commands)
        return f"{REPORTS_VARIABLE}={shlex.quote(str(self.reports))} {scheduler}", executor

    @property
    def client_socket(self) -> Path:
        return StoreDirectory(self._store).client_socket

    def __enter__(self) -> Services:
        self.reports.mkdir()
        StoreDirectory.create_or_open(self._store)
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
                raise ServicesFailed(
                    f"{Path(command[0]).name} ended with status {process.returncode}\n{self.last_words()}"
                )

    def stop(self) -> list[int]:
        """End both in good order, by force what does not end in time, undisturbed; returns their exit statuses."""
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
            env={**os.environ, REPORTS_VARIABLE: str(self.reports)},
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
        """Return the end of what the two have logged."""
        return "\n".join(self._log.read_text("utf-8", "replace").splitlines()[-LOG_LINES:])


def _command(name: str) -> str:
    return _relative(Path(sys.executable).parent / name)


def _relative(path: Path) -> str:
    """Return the path as one would type it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)


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
