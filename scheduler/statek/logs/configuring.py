"""Which records go where: set up once, by whatever starts a scheduler or is a command. Importing it sets nothing up."""

from __future__ import annotations

import logging
import os
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from traceback import format_exception
from types import TracebackType
from typing import Final, Literal

from statek.errors import LogsUnusable
from statek.logs.files import SERVICE_FILE, LogFile, take_directory
from statek.logs.formats import COMMAND_FORMAT, HumanFormat, JsonFormat
from statek.logs.handlers import FileLines, JobFiles, StreamLines
from statek.logs.redaction import redacted

Level = Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"]
Format = Literal["human", "json"]


JOBS: Final = "statek.jobs"
"""The logger that tells what becomes of jobs."""
_TELL_OF_PROMPTS: Final = ("openai", "httpx", "httpcore")


@dataclass(frozen=True, slots=True)
class LogOptions:
    """How a scheduler logs."""

    level: Level = "WARNING"
    format: Format = "human"
    directory: Path | None = None
    """Where its files go; None for standard error."""
    file_bytes: int = 16 << 20
    files_kept: int = 4
    job_bytes: int = 1 << 20
    retain_days: float | None = None


class Logs:
    """The handlers of one scheduler on a logger, from when it is made until it is closed."""

    def __init__(self, options: LogOptions, logger: logging.Logger | None = None) -> None:
        """Begin to log; raises `LogsUnusable`.

        The logger is the root unless an application keeps that to itself; where it has given that handlers, and no
        directory is named, it logs itself, and nothing is added.
        """
        self._logger = logger or logging.getLogger()
        self._lock: int | None = None
        self._handlers = self._in_files(options) if options.directory else self._on_stderr(options)
        self._levels_before = {self._logger: self._logger.level}
        self._logger.setLevel(options.level)
        if self._logger is logging.getLogger():
            self._bound_clients()
        for handler in self._handlers:
            self._logger.addHandler(handler)

    def close(self) -> None:
        """Write nothing more, and leave the logger as it was."""
        for handler in self._handlers:
            self._logger.removeHandler(handler)
            handler.close()
        self._handlers = []
        for logger, level in self._levels_before.items():
            logger.setLevel(level)
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _bound_clients(self) -> None:
        """Keep prompts and replies out of the log, which the clients of models write there at DEBUG."""
        for name in _TELL_OF_PROMPTS:
            logger = logging.getLogger(name)
            self._levels_before[logger] = logger.level
            logger.setLevel("WARNING")

    def _in_files(self, options: LogOptions) -> list[logging.Handler]:
        assert options.directory is not None
        directory = options.directory.absolute()  # the process may go elsewhere
        self._lock = take_directory(directory)
        try:
            file = LogFile(directory / SERVICE_FILE, options.file_bytes, options.files_kept)
        except OSError as error:
            os.close(self._lock)
            raise LogsUnusable(directory / SERVICE_FILE, error.strerror or "cannot be opened") from error
        jobs = JobFiles(directory, options.job_bytes, retain_days=options.retain_days)
        return [FileLines(_formatter(options), file, jobs)]

    def _on_stderr(self, options: LogOptions) -> list[logging.Handler]:
        root = logging.getLogger()
        if self._logger is not root and root.handlers:
            return []
        return [StreamLines(_formatter(options, colour=_takes_colour()), lambda: sys.stderr)]

    def __enter__(self) -> Logs:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def log_for_command(level: Level = "WARNING") -> None:
    """Log to standard error from now on, as a command does whose user wants to know only what is wrong.

    What becomes of a job the command says itself, also where it is the scheduler for the time being.
    """
    logger = logging.getLogger()
    logging.getLogger(JOBS).setLevel("CRITICAL")
    if not any(isinstance(handler, StreamLines) for handler in logger.handlers):
        logger.addHandler(StreamLines(HumanFormat(COMMAND_FORMAT), lambda: sys.stderr))
    logger.setLevel(level)


def redact_uncaught() -> None:
    """Keep secrets also out of the tracebacks that Python itself prints when nobody has caught an exception."""
    sys.excepthook = _tell_uncaught
    threading.excepthook = lambda found: _tell_uncaught(found.exc_type, found.exc_value, found.exc_traceback)


def _tell_uncaught(kind: type[BaseException], error: BaseException | None, traceback: TracebackType | None, /) -> None:
    if kind is not SystemExit:
        sys.stderr.write(redacted("".join(format_exception(kind, error, traceback))))


def _formatter(options: LogOptions, *, colour: bool = False) -> logging.Formatter:
    return JsonFormat() if options.format == "json" else HumanFormat(colour=colour)


def _takes_colour() -> bool:
    """Tell whether standard error is a terminal whose user has not declined colour (no-color.org)."""
    return sys.stderr.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
