"""How the text of a policy file is read, whoever may have written it and whatever may lie at its path.

Nothing is read but regular files, and no more of one than a policy may be long: a pipe, a device, a directory or a
gigabyte is an error within a moment, never a wait.
"""

import os
import stat
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from statek_policies.errors import KeyPath, UnreadablePolicy
from statek_policies.toml_keys import DEEPEST, TooDeep, key_lines

LONGEST_BYTES: Final = 128 * 1024
_KINDS: Final = {
    stat.S_IFDIR: "is a directory",
    stat.S_IFIFO: "is a pipe",
    stat.S_IFSOCK: "is a socket",
    stat.S_IFCHR: "is a device",
    stat.S_IFBLK: "is a device",
}


@dataclass(frozen=True, slots=True)
class Document:
    """One policy file as it was written."""

    place: str
    """What messages call it."""
    stem: str
    """The name of the policy if the file gives none."""
    folder: Path | None
    """Where the files lie that it may extend; None for a profile of ours."""
    fields: Mapping[str, Any]
    lines: Mapping[KeyPath, int]

    def where(self, key: KeyPath) -> str:
        """Name the line that sets a key, or the nearest thing around it that has a line."""
        for length in range(len(key), 0, -1):
            if key[:length] in self.lines:
                return f"{self.place}:{self.lines[key[:length]]}"
        return self.place


def read_document(path: Path, check: Callable[[os.stat_result], None] | None = None) -> Document:
    """Read a file by its path; raises UnreadablePolicy.

    `check` looks at the file that was opened and raises OSError with what is wrong with it.
    """
    place = place_of(path)
    try:
        data = _read(path, check)
    except OSError as error:
        raise UnreadablePolicy(place, error.strerror or "cannot be read") from error
    except ValueError as error:  # a path with a NUL
        raise UnreadablePolicy(place, str(error)) from error
    if len(data) > LONGEST_BYTES:
        raise UnreadablePolicy(place, f"is longer than {LONGEST_BYTES} bytes, which is the most that is read")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UnreadablePolicy(f"{place}:{line}", "is not UTF-8 text") from error
    return parse_document(text, place=place, stem=path.stem, folder=path.parent)


def parse_document(text: str, *, place: str, stem: str, folder: Path | None) -> Document:
    """Read a TOML text; raises UnreadablePolicy."""
    try:
        lines = key_lines(text)
        fields = tomllib.loads(text)
    except TooDeep as error:
        raise UnreadablePolicy(f"{place}:{error.line}", f"is nested more than {DEEPEST} deep") from None
    except tomllib.TOMLDecodeError as error:
        raise UnreadablePolicy(place, str(error)) from error
    except ValueError as error:  # a number of more digits than CPython reads
        raise UnreadablePolicy(place, f"holds a value that cannot be read: {error}") from error
    except RecursionError:
        raise UnreadablePolicy(place, f"is nested more than {DEEPEST} deep") from None
    return Document(place, stem, folder, fields, lines)


def place_of(path: Path) -> str:
    """Write down a path on one line, with its control characters as escapes."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(path))


def _read(path: Path, check: Callable[[os.stat_result], None] | None) -> bytes:
    _check_kind(os.stat(path).st_mode)  # first, because to open a device may already do something
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb", buffering=0) as file:
        found = os.fstat(descriptor)
        _check_kind(found.st_mode)
        if check is not None:
            check(found)
        data = bytearray()
        while len(data) <= LONGEST_BYTES and (chunk := file.read(LONGEST_BYTES + 1 - len(data))):
            data += chunk
        return bytes(data)


def _check_kind(mode: int) -> None:
    if not stat.S_ISREG(mode):
        raise OSError(None, f"{_KINDS.get(stat.S_IFMT(mode), 'is something else')} and not a file")
