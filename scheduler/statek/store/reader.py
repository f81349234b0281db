"""What everybody who reads the ledger's file has: a connection of its own, which belongs to the thread that made it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeAlias

from statek.store.database import open_reader, reading

Row: TypeAlias = tuple[Any, ...]


class Reader:
    """A connection to the ledger's file, and its end."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    @property
    def path(self) -> Path:
        """Return where the file is."""
        return self._path

    @classmethod
    def read(cls, path: Path) -> Self:
        """Open the file beside its writer, or without one; nothing can be changed through it. Raises a `StoreError`."""
        return cls(path, open_reader(path))

    def close(self) -> None:
        """Close the connection; a second time does nothing."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _rows(self, sql: str, parameters: Iterable[Any] | dict[str, Any] = ()) -> list[Row]:
        with reading(self._path):
            return self._connection.execute(sql, parameters).fetchall()  # type: ignore[arg-type]

    @property
    def version(self) -> int:
        """Return a number that changes with every commit of another connection; asking costs no disk."""
        return int(self._rows("PRAGMA data_version")[0][0])
