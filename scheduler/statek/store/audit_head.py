"""The end of the audit log's chain, kept a second time in a file beside the ledger: a log that lost its end is found.

Written after each commit and not synced, so after a power cut it may name an earlier record; a chain that goes through
that one and further is whole as far as the file can tell. It is no proof against somebody who can write the store: only
a head that was written down elsewhere is.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

from statek.audit.chain import Head
from statek.store.errors import StoreDamaged, StoreUncertain, StoreUnreadable

NAME: Final = "audit.head"
_LINE: Final = re.compile(rb"statek audit head (\d{20}) ([0-9a-f]{64})\n")
_LENGTH: Final = 104
"""Within one sector, so that a write is there whole or not at all."""
_WAY_OUT: Final = "look at what `statek audit --verify` says, then remove the file: the next start writes it anew"


class HeadFile:
    """The file, open for its one writer."""

    def __init__(self, ledger: Path) -> None:
        """Open it beside the ledger, making it where there is none; raises `StoreUnreadable`."""
        self._path = ledger.with_name(NAME)
        try:
            flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(self._path, flags, 0o600)
            if os.fstat(self._descriptor).st_size > _LENGTH:  # none of ours; what is wrong with it is known by now
                os.ftruncate(self._descriptor, _LENGTH)
        except OSError as error:
            raise StoreUnreadable(self._path, error.strerror or type(error).__name__) from error

    def write(self, head: Head) -> None:
        """Say where the chain ends; raises `StoreUncertain`, because what the file is about is durable already."""
        try:
            os.pwrite(self._descriptor, b"statek audit head %020d %s\n" % (head.sequence, head.hash.hex().encode()), 0)
        except OSError as error:
            raise StoreUncertain(self._path, error.strerror or type(error).__name__) from error

    def close(self) -> None:
        """Close the file; a second time does nothing."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


def read_head(ledger: Path) -> Head | None:
    """Read what the file beside that ledger says; None where there is none, or it was made and never written.

    Raises `StoreDamaged` or `StoreUnreadable`.
    """
    path = ledger.with_name(NAME)
    try:
        with path.open("rb") as file:
            line = file.read(_LENGTH + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StoreUnreadable(path, error.strerror or type(error).__name__) from error
    if not line:
        return None
    found = _LINE.fullmatch(line)
    if found is None:
        raise StoreDamaged(path, "it is not a head of an audit log", _WAY_OUT)
    return Head(int(found[1]), bytes.fromhex(found[2].decode()))
