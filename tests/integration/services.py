"""Real schedulers, executors and commands for the tests: started, waited for, killed, and never left behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

DEADLINE_SECONDS = 60.0
"""No condition of these tests takes so long on a busy machine; reaching it is a failure."""
POLL_SECONDS = 0.02


def wait_for(condition: Callable[[], object], what: str, seconds: float = DEADLINE_SECONDS) -> Any:
    """Wait until the condition gives something true, and return it."""
    deadline = time.monotonic() + seconds
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        # The one pause of these tests: between two looks at something that happens in another process.
        time.sleep(POLL_SECONDS)


@dataclass
class Run:
    """A finished command."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        value = json.loads(self.out)
        assert isinstance(value, dict)
        return value


@dataclass
class Command:
    """A running command of ours."""

    process: subprocess.Popen[str]
    log: Path

    def said(self, text: str) -> bool:
        return text in self.log.read_text()

    @property
    def has_ended(self) -> bool:
        return self.process.poll() is not None

    def kill(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)

    def wait(self, seconds: float = DEADLINE_SECONDS) -> int:
        return self.process.wait(seconds)

    def tree(self) -> list[psutil.Process]:
        """The command's process and everything below it."""
        process = psutil.Process(self.process.pid)
        return [process, *process.children(recursive=True)]


@dataclass
class Site:
    """A store, an endpoint and the services on them."""

    directory: Path
    endpoint: str
    python: Sequence[str] = (sys.executable, "-P")
    environment: dict[str, str] = field(default_factory=dict)
    commands: list[Command] = field(default_factory=list)
    clients: list[subprocess.Popen[str]] = field(default_factory=list)
    serving: Command | None = None
    """The scheduler that was started last."""

    @property
    def store(self) -> Path:
        return self.directory / "store"

    def scheduler(self, *arguments: str) -> Command:
        """Start a scheduler for executors from outside, and wait until it listens."""
        return self._scheduler("--listen", self.endpoint, *arguments)

    def embedded_scheduler(self, *arguments: str) -> Command:
        """Start a scheduler with a local pool of its own."""
        return self._scheduler("--workers", "2", *arguments)

    def _scheduler(self, *arguments: str) -> Command:
        command = self.serving = self._start("statek", "scheduler", "--store", str(self.store), *arguments)
        wait_for(lambda: command.said("scheduler ready") or command.process.poll() is not None, "a scheduler")
        return command

    def executor(self, *arguments: str, workers: int = 2) -> Command:
        """Start an executor pool; it connects by itself."""
        return self._start(
            "statek_executor", "--connect", self.endpoint, "--workers", str(workers), "--log-level", "INFO", *arguments
        )

    def welcomed(self, executor: Command) -> Command:
        """Wait until the executor is connected; there is nothing to wait for when it or its scheduler has ended."""
        sides = [side for side in (executor, self.serving) if side is not None]
        wait_for(lambda: executor.said("welcomed by") or any(side.has_ended for side in sides), "a welcome")
        for side in sides:
            assert not side.has_ended, side.log.read_text()
        return executor

    def exec(self, *arguments: str, source: str | bytes | None = None, seconds: float = DEADLINE_SECONDS) -> Run:
        """Run `statek exec` to its end; the source is written to a file and appended to the arguments."""
        return finish(self.exec_in_background(*arguments, source=source), seconds)

    def exec_in_background(self, *arguments: str, source: str | bytes | None = None) -> subprocess.Popen[str]:
        """Start `statek exec` and return at once."""
        files = [] if source is None else [str(self.write(source))]
        command = [*self.python, "-m", "statek", "exec", "--store", str(self.store), *arguments, *files]
        pipe = subprocess.PIPE
        client = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True, env=self._environment()
        )
        self.clients.append(client)
        return client

    def write(self, source: str | bytes, name: str | None = None) -> Path:
        path = self.directory / (name or f"program-{len(list(self.directory.iterdir()))}.py")
        path.write_bytes(source.encode() if isinstance(source, str) else source)
        return path

    def program(self, file: Path) -> Command:
        """Start an application that has its scheduler in it, on this store."""
        return self._launch(file.stem, str(file))

    def _start(self, module: str, *arguments: str) -> Command:
        return self._launch(module, "-m", module, *arguments)

    def _launch(self, name: str, *arguments: str) -> Command:
        log = self.directory / f"{name}-{len(self.commands)}.log"
        with log.open("w") as output:
            process = subprocess.Popen(
                [*self.python, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                text=True,
                env=self._environment(),
            )
        command = Command(process, log)
        self.commands.append(command)
        return command

    def _environment(self) -> dict[str, str]:
        """As good as nothing: what our own environment holds must not be needed."""
        return {"PATH": "/usr/bin:/bin", "XDG_CONFIG_HOME": str(self.directory / "config"), **self.environment}


def finish(process: subprocess.Popen[str], seconds: float = DEADLINE_SECONDS) -> Run:
    """Wait for a command's end."""
    try:
        out, err = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.kill()
        out, err = process.communicate()
        raise AssertionError(f"the command did not end within {seconds:g} s\n{out}\n{err}") from None
    return Run(process.returncode, out, err)


@contextmanager
def site(directory: Path, endpoint: str, **options: Any) -> Iterator[Site]:
    """A site whose every process is ended, and found to have ended, when the test is over."""
    place = Site(directory, endpoint, **options)
    trees: list[psutil.Process] = []
    try:
        yield place
    finally:
        for client in place.clients:
            if client.poll() is None:  # a test that failed has not waited for it
                client.kill()
                client.communicate()
        for command in place.commands:
            if command.process.poll() is None:
                trees += command.tree()
                command.kill(signal.SIGTERM)
        for command in place.commands:
            try:
                command.wait(20)
            except subprocess.TimeoutExpired:
                command.kill()
                command.wait(20)
                raise AssertionError(f"it did not stop on SIGTERM:\n{command.log.read_text()}") from None
    gone(trees)


def gone(processes: Sequence[psutil.Process], seconds: float = 20.0) -> None:
    """Assert that all of these processes end by themselves."""

    def alive() -> list[psutil.Process]:
        return [p for p in processes if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]

    def none_alive() -> bool:
        try:
            return not alive()
        except psutil.NoSuchProcess:
            return False

    wait_for(none_alive, f"the end of {[p.pid for p in processes]}", seconds)
