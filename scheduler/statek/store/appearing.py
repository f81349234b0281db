"""How does a directory come to its name, whole or not at all? It is filled under another name and then renamed."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from statek.store.directory import sync_directory
from statek.store.errors import StoreRefused, StoreUnwritable


def check_free(target: Path, way_out: str) -> None:
    """Refuse a name that something stands under already, but for an empty directory; raises `StoreRefused`."""
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise StoreRefused(target, "is there already and not an empty directory", way_out)


@contextmanager
def appearing(target: Path) -> Iterator[Path]:
    """Give a new directory that gets this name at the end of the block; where that raises, nothing of it is left.

    Raises `StoreUnwritable` for an OSError of the block or of its own.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        new = Path(tempfile.mkdtemp(prefix=".new-", dir=target.parent))  # nobody else has that name
        try:
            yield new
            new.rename(target)
        except BaseException:
            shutil.rmtree(new, ignore_errors=True)
            raise
        sync_directory(target.parent)
    except OSError as error:
        raise StoreUnwritable(Path(error.filename or target), error.strerror or type(error).__name__) from error
