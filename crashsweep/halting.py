"""A scheduler that stands still before and after each commit of its ledger: `halting SOCKET COMMAND...`.

It is the command `statek` as it is, with one method wrapped. What it says on the socket is a line for each: "before" or
"after", and the kinds of the events. It goes on when it is answered, or when nobody is there any more.
"""

from __future__ import annotations

import functools
import inspect
import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from crashsweep.commits import Stage
from crashsweep.plan import QUEUED
from statek.cli.main import main
from statek.store.ledger import Ledger
from statek.store.queue_table import QueueItem
from statek.store.records import Record


class Gate:
    """The way to whoever lets the scheduler go on."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(path)

    def pass_through(self, stage: Stage, kinds: Sequence[str]) -> None:
        """Report, and wait for the answer."""
        with suppress(ConnectionError):  # the sweep is over, and this scheduler is stopped
            self._socket.sendall(f"{stage} {' '.join(kinds)}\n".encode("ascii"))
            self._socket.recv(1)

    def close(self) -> None:
        self._socket.close()


def halting(append: Callable[..., range], gate: Gate) -> Callable[..., range]:
    """Wrap `Ledger.append`."""

    signature = inspect.signature(append)

    @functools.wraps(append)
    def wrapped(*given: Any, **named: Any) -> range:
        arguments = signature.bind(*given, **named).arguments
        kinds = _kinds(arguments["records"], arguments.get("queued", {}))
        gate.pass_through("before", kinds)
        cursors = append(*given, **named)
        gate.pass_through("after", kinds)
        return cursors

    return wrapped


def _kinds(records: Sequence[Record], queued: Mapping[int, QueueItem | None]) -> list[str]:
    pushed = any(item is not None for item in queued.values())
    return [*dict.fromkeys(record.event.kind for record in records), *([QUEUED] if pushed else [])]


def run(path: str, arguments: list[str]) -> None:
    """Wrap, and be the command."""
    Ledger.append = halting(Ledger.append, Gate(path))  # type: ignore[method-assign]
    main(arguments)


if __name__ == "__main__":
    run(sys.argv[1], sys.argv[2:])
