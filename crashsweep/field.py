"""The services of a sweep: started, found by their part, killed, and started again."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from crashsweep.plan import Part
from statek.store.directory import StoreDirectory

POLL_SECONDS: Final = 0.01
STOP_SECONDS: Final = 60.0
READY_SECONDS: Final = 60.0
_READY: Final = "scheduler ready"
_ROOT: Final = Path(__file__).parents[1]
_APPLICATION: Final = Path(__file__).with_name("application.py")
_STARTED: Final[tuple[Part, ...]] = ("scheduler", "supervisor", "pusher")
"""Parts that are started here; the others belong to a supervisor."""
_IN_ORDER: Final[tuple[Part, ...]] = ("supervisor", "scheduler")
"""In which they are stopped."""
_TEMPLATE: Final = 0
"""Where among the zygote's children, by age, the one is that the others are copies of."""


class SweepFailed(Exception):
    """The services cannot be brought back to work; the text says which and what they said."""


def await_condition(condition: Callable[[], bool], seconds: float) -> bool:
    """Wait for something that happens elsewhere; tell whether it did in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


@dataclass
class Service:
    """One running command, and whether its death is our doing."""

    process: subprocess.Popen[bytes]
    log: Path
    killed: bool = False
    hit_below: bool = False
    """Something that it cannot do without was killed: it may end itself for that."""

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")


class Field:
    """A store with a scheduler, one executor that reaches it over the link, and a process that pushes from outside."""

    def __init__(
        self,
        directory: Path,
        *,
        workers: int,
        scheduler_arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment` is the services' besides what every process needs."""
        self.directory = directory
        self.store = directory / "store"
        self.front, self.back, self.commits = (directory / f"{name}.sock" for name in ("front", "back", "commits"))
        self._workers = workers
        self._scheduler_arguments = scheduler_arguments
        self.environment = {
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(_ROOT),
            "XDG_CONFIG_HOME": str(directory / "config"),
            **(environment or {}),
        }
        self._services: dict[Part, Service] = {}
        self._started = 0
        self.logs: list[Path] = []
        self._application = Path(shutil.copy(_APPLICATION, directory / "app.py"))

    @property
    def ledger(self) -> Path:
        return StoreDirectory(self.store).ledger

    @property
    def client_socket(self) -> Path:
        return StoreDirectory(self.store).client_socket

    def start(self, part: Part) -> None:
        """Start a part that is a service of its own, and do not wait for it."""
        quietly = ("--log-level", "WARNING")
        if part == "scheduler":
            options = ["--store", str(self.store), "--listen", f"ipc://{self.back}", "--app", str(self._application)]
            command = ["scheduler", *options, *quietly, *self._scheduler_arguments]
            self._launch(part, "crashsweep.halting", str(self.commits), *command)
        elif part == "pusher":
            self._launch(part, "crashsweep.talks.pushing", str(self.directory), str(self.store))
        else:
            options = ["--connect", f"ipc://{self.front}", "--workers", str(self._workers)]
            self._launch(part, "statek_executor", *options, *quietly)

    def _launch(self, part: Part, module: str, *arguments: str) -> None:
        self._started += 1
        path = self.directory / f"{part}-{self._started}.log"
        self.logs.append(path)
        with path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", module, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self.environment,
            )
        self._services[part] = Service(process, path)

    def await_ready(self) -> None:
        """Wait until the scheduler listens; raises `SweepFailed`."""
        scheduler = self._services["scheduler"]
        ready = await_condition(lambda: _READY in scheduler.said or not scheduler.alive, READY_SECONDS)
        if not ready or not scheduler.alive:
            raise SweepFailed(f"the scheduler does not start: {scheduler.said[-2000:]}")

    def kill(self, parts: Collection[Part], choose: Callable[[int], int]) -> list[Part]:
        """SIGKILL one process of each part, all found before the first is killed; returns the parts that were there."""
        found = [(part, pid) for part in parts if (pid := self._find(part, choose)) is not None]
        killed: list[Part] = []
        for part, pid in found:
            service = self._services[part if part in _STARTED else "supervisor"]
            service.killed |= part in _STARTED
            service.hit_below |= part in ("zygote", "template")
            with contextlib.suppress(ProcessLookupError):  # it died of the one before it
                os.kill(pid, signal.SIGKILL)
                killed.append(part)
        return killed

    def _find(self, part: Part, choose: Callable[[int], int]) -> int | None:
        if part in _STARTED:
            service = self._services.get(part)
            return service.process.pid if service is not None and service.alive else None
        try:
            launcher = psutil.Process(self._services["supervisor"].process.pid).children()[0]
            zygote = launcher.children()[0]
            below = sorted(zygote.children(), key=psutil.Process.create_time)
        except (IndexError, psutil.NoSuchProcess):
            return None  # it is being started just now, or ends
        if part == "zygote":
            return int(zygote.pid)
        if part == "template":
            return int(below[_TEMPLATE].pid) if below else None
        return int(below[1 + choose(len(below) - 1)].pid) if len(below) > 1 else None

    def mend(self) -> list[str]:
        """Start again what is not there any more; returns what ended without having been killed."""
        unexpected = []
        for part, service in list(self._services.items()):
            if service.alive:
                continue
            if not service.killed:
                whose = "after its zygote was killed" if service.hit_below else "by itself"
                unexpected.append(f"{part} ended {whose}: {service.said.strip()[-600:]}")
            self.start(part)
        return unexpected

    def stop(self) -> list[str]:
        """Stop everything in good order; returns what did not stop well."""
        problems = []
        pusher = self._services.pop("pusher", None)
        if pusher is not None:  # it is made to be killed
            pusher.process.kill()
            pusher.process.wait()
        for part in _IN_ORDER:
            service = self._services.pop(part, None)
            if service is None or not service.alive:
                continue
            service.process.terminate()
            try:
                status = service.process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                service.process.kill()
                service.process.wait()
                status = -1
            if status != 0:
                problems.append(f"{part} stopped with status {status}: {service.said.strip()[-600:]}")
        return problems
