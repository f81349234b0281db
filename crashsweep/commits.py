"""Where schedulers report before and after each commit, and stand still until they may go on (`halting`).

So something can be killed between a commit and what follows it, and not some microseconds later.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal

Stage = Literal["before", "after"]
OnCommit = Callable[[Stage, Collection[str]], None]
"""Called with the kinds of the events that are committed; the scheduler goes on when it returns."""
GO_ON: Final = b"."


class Commits:
    """A socket to which each scheduler of a sweep connects, and a thread for each."""

    def __init__(self, path: Path, on_commit: OnCommit) -> None:
        self.path = path
        self._on_commit = on_commit
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._accept, name="commits", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Listen no more; who is connected still is not held up any more."""
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return  # `stop`
            threading.Thread(target=self._serve, args=(connection,), name="commits", daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        """Let a scheduler go on each time it asks, until it ends."""
        with connection, suppress(ConnectionError), connection.makefile("r", encoding="ascii") as said:
            for line in said:
                stage, *kinds = line.split()
                self._on_commit("before" if stage == "before" else "after", kinds)
                connection.sendall(GO_ON)
