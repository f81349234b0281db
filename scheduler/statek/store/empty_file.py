"""The empty file that our prefix began as, kept so that the file that follows it while it is in use has the same uuid.

dbzero gives each file a uuid of its own, and a class that belongs to a prefix remembers the uuid that it met first for
as long as dbzero is open (0.7.0: `db0.find(Job)` then says "Prefix ... not found"). A file that grew from a copy of the
same empty file has the same uuid, and may take the other's place while dbzero stays open.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from statek.store.copies import OURS, copy_file
from statek.store.directory import sync_directory
from statek.store.prefix_probe import SUFFIX

_NAME: Final = f"{OURS}.empty"
"""Not a name of a prefix: dbzero must not take it for one."""


def keep(directory: Path) -> None:
    """Keep a copy of our file, which was made and committed just now and has nothing in it. Raises OSError."""
    new = directory / f".{_NAME}.new"
    copy_file(directory / f"{OURS}{SUFFIX}", new)
    new.rename(directory / _NAME)
    sync_directory(directory)


def plant(directory: Path, target: Path) -> None:
    """Make the empty file our file in another directory. Raises OSError, FileNotFoundError where none was kept."""
    copy_file(directory / _NAME, target / f"{OURS}{SUFFIX}")
