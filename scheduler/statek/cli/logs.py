"""How the scheduler's log is written: to standard error, one line for one thing that happened.

Tools raise errors with a guest's arguments in their text, executors send names; what is logged of them must not look
like another line of the log, and must not move a terminal. A traceback goes on below its line, set off by a margin.
"""

from __future__ import annotations

import logging
from typing import Final

from statek.audit.escaping import shown

SERVICE_FORMAT: Final = "%(asctime)s %(levelname)s %(name)s: %(message)s"
COMMAND_FORMAT: Final = "%(message)s"
"""For a scheduler that lives within another command, whose user wants to know only what is wrong."""
_MARGIN: Final = "  | "


class OneLine(logging.Formatter):
    """Escapes what is in a message, and gives every further line of a traceback a margin that no message can fake."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return shown(super().formatMessage(record))

    def formatException(self, ei: logging._SysExcInfoType) -> str:
        return "\n".join(f"{_MARGIN}{shown(line)}" for line in super().formatException(ei).split("\n"))


def configure_logs(level: str, format_: str) -> None:
    """Log to standard error from now on."""
    handler = logging.StreamHandler()
    handler.setFormatter(OneLine(format_))
    logging.basicConfig(level=level, handlers=[handler])
