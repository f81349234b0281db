"""How a record looks: a line for people, or a JSON object on a line.

Tools raise errors with a guest's arguments in their text, executors send names; what is logged of them must not look
like another record, and must not move a terminal. The formats stand behind `redaction.Redaction`, which has put message
and traceback into one text each.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Any, Final

from statek.audit.escaping import quoted, shortened, shown
from statek.logs.redaction import extras

SERVICE_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
COMMAND_FORMAT: Final = "%(message)s"
"""For a scheduler that lives within another command, whose user wants to know only what is wrong."""
MESSAGE_LIMIT: Final = 10_000
FIELD_LIMIT: Final = 1_000
"""Characters of a message and of a field beside it; what is cut is counted."""
TRACEBACK_LINES: Final = 200
"""The last ones, which say what happened."""
_MARGIN: Final = "  | "
_COLOURS: Final = {"WARNING": "\x1b[33m", "ERROR": "\x1b[31m", "CRITICAL": "\x1b[1;31m", "DEBUG": "\x1b[2m"}
_PLAIN: Final = "\x1b[0m"


class HumanFormat(logging.Formatter):
    """A line for people: what is in a message is escaped, fields stand behind it as name=value.

    A traceback goes on below, each line of it set off by a margin that no message can fake.
    """

    def __init__(self, format_: str = SERVICE_FORMAT, *, colour: bool = False) -> None:
        super().__init__(format_)
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        record.message = shortened(record.getMessage(), MESSAGE_LIMIT)
        if self.usesTime():
            record.asctime = self.formatTime(record)
        line = shown(super().formatMessage(record))
        fields = "".join(f" {name}={quoted(str(value))}" for name, value in fields_of(record).items())
        below = "".join(f"\n{_MARGIN}{shown(text)}" for text in _traceback(record))
        return f"{self._coloured(line, record.levelname)}{fields}{below}"

    def _coloured(self, line: str, level: str) -> str:
        if not self._colour or level not in _COLOURS:
            return line
        return line.replace(level, f"{_COLOURS[level]}{level}{_PLAIN}", 1)


class JsonFormat(logging.Formatter):
    """An object on a line, all ASCII: `time`, `level`, `logger`, `event`, then `job`, `agent`, `batch` and the like."""

    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="microseconds")
        told: dict[str, Any] = {
            "time": at.replace("+00:00", "Z"),
            "level": record.levelname,
            "logger": record.name,
            "event": shortened(record.getMessage(), MESSAGE_LIMIT),
        }
        beside = {name: value for name, value in fields_of(record).items() if name not in told}
        exception = "\n".join(_traceback(record))
        return json.dumps(told | beside | ({"exception": exception} if exception else {}), allow_nan=False, default=str)


def fields_of(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields beside the message, without those that have no value."""
    return {
        name: shortened(value, FIELD_LIMIT) if isinstance(value, str) else _finite(value)
        for name, value in extras(record).items()
        if value is not None and value != ""
    }


def _finite(value: Any) -> Any:
    """Write down what JSON has no number for."""
    return value if not isinstance(value, float) or abs(value) < float("inf") else str(value)


def _traceback(record: logging.LogRecord) -> list[str]:
    text = "\n".join(part for part in (record.exc_text, record.stack_info) if part)
    lines = text.split("\n") if text else []
    left_out = len(lines) - TRACEBACK_LINES
    return lines if left_out <= 0 else [f"... {left_out} lines ...", *lines[left_out:]]
