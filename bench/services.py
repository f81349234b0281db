"""Commands of ours as running processes, for the time of a with block."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

PYTHON: Final = (sys.executable, "-P")
STOP_SECONDS: Final = 60.0
READY_SECONDS: Final = 300.0


class ServiceFailed(Exception):
    """A command did not come up, or not down; the text says which."""


@contextmanager
def service(module: str, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """Run `python -m module`, its messages readable from the process's stderr, and stop it in good order."""
    command = [*PYTHON, "-m", module, *arguments]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            raise ServiceFailed(f"{module} did not stop on SIGTERM") from None


def await_words(process: subprocess.Popen[bytes], words: bytes) -> None:
    """Wait until a service has said this."""
    assert process.stderr is not None
    said, give_up = b"", time.monotonic() + READY_SECONDS
    while words not in said:
        left = give_up - time.monotonic()
        if left <= 0 or not select.select([process.stderr], [], [], left)[0]:
            raise ServiceFailed(f"not said in time: {words.decode()}; but: {said.decode(errors='replace')}")
        piece = os.read(process.stderr.fileno(), 1 << 16)
        if not piece:
            raise ServiceFailed(f"ended early: {said.decode(errors='replace')}")
        said += piece
