"""What an interpreter is once L1 to L3 are gone: a batch that begins with the mark runs as unguarded Python.

Runs inside the wall, in a child of a real zygote. A batch without the mark runs as in an honest interpreter.
"""

from __future__ import annotations

import os
from typing import Any

import msgpack

from statek_executor.interpreter import main as honest
from statek_executor.interpreter.batch import BatchRunner
from statek_executor.interpreter.channel import Channel
from statek_executor.isolation.seccomp import CHILD_FD
from statek_protocol.framing import frame
from statek_protocol.messages import interpreter as messages
from statek_protocol.messages.base import Message
from statek_protocol.messages.interpreter import Run
from statek_protocol.values import encode_value

MARK = b"# native"

warm_up = honest.warm_up
serve = honest.serve
serve_rehearsed = honest.serve_rehearsed


class Attack:
    """What native code has in hand: the one descriptor, the protocol's classes, and the batch that it was sent."""

    def __init__(self, run: Run) -> None:
        self.fd, self.channel, self.run = CHILD_FD, Channel(CHILD_FD), run

    def raw(self, data: bytes) -> None:
        """Write bytes as they are."""
        view = memoryview(data)
        while view:
            view = view[os.write(self.fd, view) :]

    def send(self, message: Message) -> None:
        self.channel.send(message)

    def send_map(self, **fields: Any) -> None:
        """Send a map that need not be a message."""
        self.raw(frame(msgpack.packb(fields, unicode_errors="surrogatepass")))

    def call(self, number: int, tool: str, *args: object, arguments: bytes | None = None) -> None:
        """Ask for a tool without waiting for the reply."""
        data = encode_value((args, {}), max_bytes=1 << 26, max_depth=64) if arguments is None else arguments
        self.send(messages.Call(self.run.batch, number, tool, data))

    def finish(self, **changes: Any) -> None:
        fields = {"outcome": "ok", "error": None, "limit": None, "snapshot": None, **changes}
        self.send(messages.Finished(self.run.batch, **fields))


run_honestly = BatchRunner.run


def run_as_marked(runner: BatchRunner, run: Run) -> None:
    """Run a batch; a marked one has the process to itself, and no way back but its own."""
    if not run.source.startswith(MARK):
        run_honestly(runner, run)
        return
    exec(compile(run.source, "<native>", "exec"), {"attack": Attack(run), "os": os, **vars(messages)})


BatchRunner.run = run_as_marked  # type: ignore[method-assign]
