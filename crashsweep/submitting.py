"""A client that goes on submitting, whatever becomes of the scheduler, and keeps what was acknowledged."""

from __future__ import annotations

import random
import threading
from pathlib import Path
from typing import Final

from crashsweep.field import STOP_SECONDS
from statek.client.client import Client, Submission
from statek.store.directory import StoreDirectory

SUBMIT_EVERY_SECONDS: Final = 0.05


class Submitter(threading.Thread):
    """A client that goes on submitting, and keeps what was acknowledged."""

    def __init__(self, store: Path, jobs: int, seed: int) -> None:
        super().__init__(daemon=True)
        self._socket, self._jobs = StoreDirectory(store).client_socket, jobs
        self._draw = random.Random(seed)
        self._stopping = threading.Event()
        self.acknowledged: dict[str, tuple[str, int]] = {}
        """Job and batch by the name of the submitted batch."""
        self.error: Exception | None = None

    def run(self) -> None:
        try:
            with Client(self._socket) as client:
                while not self._stopping.wait(SUBMIT_EVERY_SECONDS):
                    name, job = f"more {len(self.acknowledged)}", f"job-{self._draw.randrange(self._jobs)}"
                    found = client.submit(Submission(job, None, {}, [(name, b"kept = 1\n")]))
                    self.acknowledged[name] = (job, found.first_batch)
        except Exception as error:  # noqa: BLE001 - it is the sweep's finding
            self.error = error

    def stop(self) -> None:
        self._stopping.set()
        self.join(STOP_SECONDS)
