"""Was dbzero's file of our objects closed in good order, and is it still as it was left?

Then what is in it is known, and it need not be read through before it is used again, which takes a second for every few
thousand jobs. The note is there only while nobody has the file open: after a kill there is none.
"""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any, Final

from statek.store.directory import sync_directory, write_durably
from statek.store.errors import StoreUnwritable

log = logging.getLogger(__name__)

NAME: Final = "statek.closed"
_FILE: Final = "statek.db0"


def write_note(directory: Path, found: dict[str, int]) -> None:
    """Say what is in the file that was closed just now; without the note it is only read through once more."""
    try:
        write_durably(directory / NAME, json.dumps({"file": _file(directory), "found": found}))
        sync_directory(directory)
    except OSError as error:
        log.warning("it cannot be noted that %s was closed in good order: %s", directory, error)


def read_note(directory: Path) -> dict[str, Any] | None:
    """Return what is in the file; None where it was not closed in good order, or has changed since."""
    try:
        said = json.loads((directory / NAME).read_bytes())
        if said["file"] == _file(directory) and isinstance(said["found"], dict):
            found: dict[str, Any] = said["found"]
            return found
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.debug("no note about %s: %s", directory, error)
    return None


def remove_note(directory: Path) -> None:
    """Take the note away, durably, before the file is opened for writing; raises `StoreUnwritable`."""
    try:
        if (directory / NAME).exists():
            (directory / NAME).unlink()
            sync_directory(directory)
    except OSError as error:
        raise StoreUnwritable(directory / NAME, error.strerror or type(error).__name__) from error


def _file(directory: Path) -> list[int]:
    """Tell one state of the file from another: by its inode, its length and when it was written."""
    status = (directory / _FILE).stat()
    return [status.st_ino, status.st_size, status.st_mtime_ns]
