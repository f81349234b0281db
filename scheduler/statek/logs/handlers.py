"""Where lines go: to a stream, or to the scheduler's file and each job's. Writing one never fails whoever logs.

Python's own handlers print a record as it is, with its arguments and the exception that it is about, when they cannot
write it. That would tell what redaction had just taken out, so these say only why, and how many records were lost.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from collections import OrderedDict
from collections.abc import Callable
from copy import copy
from pathlib import Path
from typing import Final, TextIO

from statek.audit.escaping import shown
from statek.logs.agents import agent_of
from statek.logs.files import LogFile, job_file, remove_older
from statek.logs.redaction import Redaction, redacted

OPEN_FILES: Final = 64
"""Files of jobs that are kept open; the one that was not written to for longest is closed."""
SWEEP_SECONDS: Final = 86_400.0

_REDACTION: Final = Redaction()
_STDERR: Final = 2


class LineHandler(logging.Handler, ABC):
    """Formats a record and hands the line on; what goes wrong is said once, and counted until it is right again."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.addFilter(_REDACTION)
        self.setFormatter(formatter)
        self._lost = 0

    def handle(self, record: logging.LogRecord) -> bool:
        """Work on a copy: an application's own handlers get the record as it was, with its exception."""
        return bool(super().handle(copy(record)))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.write(record, f"{self.format(record)}\n")
        except Exception as error:  # noqa: BLE001 - whatever it is, a log must not fail its writer
            if not self._lost:
                _say(f"statek: the log cannot be written: {shown(redacted(str(error)))}\n")
            self._lost += 1
        else:
            if self._lost:
                _say(f"statek: the log is written again; {self._lost} records were lost\n")
                self._lost = 0

    @abstractmethod
    def write(self, record: logging.LogRecord, line: str) -> None:
        """Bring the line to where it belongs; what it raises is said, and not raised to whoever logs."""


class StreamLines(LineHandler):
    """Lines on a stream, by default standard error as it is at that moment."""

    def __init__(self, formatter: logging.Formatter, stream: Callable[[], TextIO]) -> None:
        super().__init__(formatter)
        self._stream = stream

    def write(self, record: logging.LogRecord, line: str) -> None:
        stream = self._stream()
        stream.write(line)
        stream.flush()


class FileLines(LineHandler):
    """Lines in the scheduler's file, and those about a job in the job's as well."""

    def __init__(self, formatter: logging.Formatter, file: LogFile, jobs: JobFiles) -> None:
        super().__init__(formatter)
        self._file = file
        self._jobs = jobs

    def write(self, record: logging.LogRecord, line: str) -> None:
        self._file.write(line)
        job = getattr(record, "job", None)
        agent = None if job is None else getattr(record, "agent", agent_of(job))
        if agent is not None:
            self._jobs.write(str(agent), str(job), line)

    def close(self) -> None:
        self._file.close()
        self._jobs.close()
        super().close()


class JobFiles:
    """The files of jobs, of which only so many are open."""

    def __init__(self, directory: Path, max_bytes: int, *, retain_days: float | None = None) -> None:
        self._directory = directory
        self._max_bytes = max_bytes
        self._retain_days = retain_days
        self._files: OrderedDict[str, LogFile] = OrderedDict()
        self._sweep_at = 0.0

    def write(self, agent: str, job: str, line: str) -> None:
        """Append a line to a job's file; raises OSError."""
        self._sweep_if_due()
        self._file(job_file(agent, job)).write(line)

    def close(self) -> None:
        while self._files:
            self._files.popitem()[1].close()

    def _file(self, name: str) -> LogFile:
        file = self._files.pop(name, None)
        if file is None:
            while len(self._files) >= OPEN_FILES:
                self._files.popitem(last=False)[1].close()
            file = LogFile(self._directory / name, self._max_bytes, kept=1)
        self._files[name] = file
        return file

    def _sweep_if_due(self) -> None:
        """Let a thread of its own look for files that are too old: there may be many."""
        now = time.monotonic()
        if self._retain_days is None or now < self._sweep_at:
            return
        self._sweep_at = now + SWEEP_SECONDS
        threading.Thread(
            target=remove_older, args=(self._directory, self._retain_days), name="old job logs", daemon=True
        ).start()


def _say(text: str) -> None:
    try:
        os.write(_STDERR, text.encode())
    except OSError:
        pass  # nobody listens there either
