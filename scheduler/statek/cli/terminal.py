"""What the commands write for people: lines about a job, and what its guest printed, with nothing in them obeyed."""

from __future__ import annotations

import codecs
import os
import sys
from typing import Final

import click

from statek.audit.escaping import shown

KEPT_ON_A_TERMINAL: Final = "\n\t"
"""What a guest's output may do to a terminal."""


def say(text: str) -> None:
    """Write one line to standard error, whatever is in the text."""
    click.echo(f"statek: {shown(text)}", err=True)


class GuestOutput:
    """Standard output for what a guest prints: byte for byte into a file or a pipe, made visible on a terminal."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace") if sys.stdout.isatty() else None

    def write(self, data: bytes) -> None:
        """Write what has come; a reader that has gone away ends the writing, not the job."""
        if self._decoder is not None:
            data = shown(self._decoder.decode(data), keep=KEPT_ON_A_TERMINAL).encode()
        try:
            sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
        except BrokenPipeError:
            discard_output()


def discard_output() -> None:
    """Let standard output go nowhere from now on, so that the interpreter's own last flush cannot fail either."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
