"""Do the application's dbzero prefixes open, and can all that is in them be read? Asked in a process of its own.

A broken file may kill the process that opens it, and some open and only then fail. So every object of every class is
read, with its attributes and what is in its containers; the application's classes are not needed for that, and none of
its code runs.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from statek.store.recovery import last_words, refuse_if_ended

SUFFIX: Final = ".db0"
_SECONDS: Final = 60.0
_SECONDS_PER_MB: Final = 1.0
"""How long it may take at most; the rest is for a busy machine."""


class PrefixTrouble(Exception):
    """A prefix does not open, or something in it cannot be read."""


def look_into(directory: Path, names: Sequence[str]) -> int:
    """Read all objects of some prefixes and return how many there are; raises `PrefixTrouble`.

    Raises `ProbeEnded` where that was ended from outside, which tells nothing of the prefixes.
    """
    size = sum((directory / f"{name}{SUFFIX}").stat().st_size for name in names)
    seconds = _SECONDS + _SECONDS_PER_MB * size / 1e6
    command = (sys.executable, "-P", "-m", __name__, str(directory), json.dumps(list(names)))
    try:
        ended = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=seconds, check=False)
    except subprocess.TimeoutExpired:
        raise PrefixTrouble(f"not within {seconds:g} s") from None
    refuse_if_ended(ended, directory, names)
    if ended.returncode != 0:
        raise PrefixTrouble(last_words(ended))
    return int(ended.stdout)


def main(arguments: Sequence[str]) -> None:
    """Print how many objects were read, or fail as dbzero fails: the traceback and the exit status tell it."""
    import dbzero as db0  # slow, and only for the process that probes

    directory, names = arguments
    db0.init(directory, read_write=False, autocommit=False)
    for name in json.loads(names):
        db0.open(name, "r")
    print(sum(_read_all(db0.get_memo_classes(name)) for name in json.loads(names)))
    db0.close()


def _read_all(classes: Iterable[Any]) -> int:
    count = 0
    for cls in classes:
        names = [attribute.name for attribute in cls.get_attributes()]
        for item in cls.all():
            count += 1
            for name in names:
                _read(getattr(item, name, None))
    return count


def _read(value: Any) -> None:
    """Read what is in a container, as far as it is one; objects in it are read among those of their class."""
    if isinstance(value, str | bytes) or not hasattr(type(value), "__iter__"):
        return
    for part in value.items() if hasattr(type(value), "items") else value:
        _ = part


if __name__ == "__main__":
    main(sys.argv[1:])
