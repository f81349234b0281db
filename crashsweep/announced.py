"""A running scheduler that says when its commits begin and end (`announcing`), and which of them are open."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

from crashsweep.field import STOP_SECONDS

BEGINS: Final = "begins"
ENDED: Final = "ended"
Line: TypeAlias = tuple[str, str, int]
"""What a scheduler says: a store, a word, and the newest event that the store has."""
_FOLLOWING: Final = 0.2
"""How much the newest commit's time counts for the next one's."""


class Announced:
    """A running scheduler, and what it says of its commits."""

    def __init__(self, store: Path, log: Path) -> None:
        self._read, write = os.pipe()
        self.log = log
        listen = f"ipc://{store.parent}/executors.sock"
        with log.open("wb") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-P", "-m", "crashsweep.announcing", str(write)),
                    *("scheduler", "--store", str(store), "--listen", listen),
                ],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                pass_fds=(write,),
                cwd=Path(__file__).parents[1],
                env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
            )
        os.close(write)
        self._rest = b""

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def lines(self, seconds: float) -> Iterator[Line]:
        """Yield what is said, until it ends or time is over."""
        deadline = time.monotonic() + seconds
        while (left := deadline - time.monotonic()) > 0:
            said = self.read(left)
            if said is None:
                return
            yield from said

    def read(self, seconds: float) -> list[Line] | None:
        """Return what has been said, waiting so long for the first of it; None when nothing more can come."""
        if not select.select([self._read], [], [], seconds)[0]:
            return []
        data = os.read(self._read, 1 << 16)
        if not data:
            return None
        *whole, self._rest = (self._rest + data).split(b"\n")
        return [(store, word, int(cursor)) for store, word, cursor in (line.decode().split() for line in whole)]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()
            return -1

    def close(self) -> None:
        os.close(self._read)


class Commits:
    """Which commits are open, by what was said; learns how long they take."""

    def __init__(self, typical: dict[str, float]) -> None:
        self.open: set[str] = set()
        self.begun: Counter[str] = Counter()
        self._typical = typical
        self._since: dict[str, float] = {}

    def take(self, said: Iterable[Line]) -> None:
        for store, word, _ in said:
            now = time.monotonic()
            if word == BEGINS:
                self.open.add(store)
                self.begun[store] += 1
                self._since[store] = now
            else:
                self.open.discard(store)
                self._typical[store] += _FOLLOWING * (now - self._since[store] - self._typical[store])
