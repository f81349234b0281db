"""What a child can be, and everything that must be in memory before the file system is gone.

An entry is a module with a function `serve(descriptor)`. It may have `prepare()`, called in each child before system
calls are filtered, `warm_up()`, called once in the launcher so that what the first run builds is built only once, and
`rehearse()`, called once more in the template, where all children come from.
"""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Final

from statek_executor.sharing.gaps import fill_gaps
from statek_executor.sharing.image import IMAGE
from statek_policies.encodings import load_encodings

KINDS: Final[Mapping[str, str]] = {
    "interpreter": "statek_executor.interpreter.main:serve",
    "rehearsed": "statek_executor.interpreter.main:serve_rehearsed",
    "probe": "statek_executor.isolation.probes:serve",
}
"""Every kind of child, as "module:function"."""

STANDARD_MODULES: Final = (
    "_strptime",
    "calendar",
    "codecs",
    "decimal",
    "fractions",
    "json",
    "linecache",
    "random",
    "re",
    "statistics",
    "stringprep",
    "traceback",
    "unicodedata",
    "uuid",
    "zoneinfo",
)
"""What the standard library imports on first use, and what guests use most; entries import their own needs."""

FORBIDDEN_MODULES: Final = ("asyncio", "zmq")
"""They would bring threads, descriptors and a hundred megabytes of address space into every child."""


class PreloadFault(Exception):
    """The zygote would hold what it must not: a bug of ours in what an entry imports."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One kind of child, imported."""

    serve: Callable[[int], None]
    prepare: Callable[[], None]
    rehearse: Callable[[], None]


def preload(kinds: Mapping[str, str]) -> dict[str, Entry]:
    """Import everything that children will need, run each entry's first steps, and settle memory for sharing."""
    for name in STANDARD_MODULES:
        importlib.import_module(name)
    load_encodings()
    entries = {kind: _load(reference) for kind, reference in kinds.items()}
    _check_absent()
    IMAGE.prepare()
    fill_gaps()
    gc.freeze()
    return entries


def _load(reference: str) -> Entry:
    module_name, _, function_name = reference.partition(":")
    module = _warmed(module_name)
    hooks = (getattr(module, name, _nothing) for name in ("prepare", "rehearse"))
    return Entry(getattr(module, function_name), *hooks)


@cache
def _warmed(module_name: str) -> ModuleType:
    module = importlib.import_module(module_name)
    warm_up: Callable[[], None] = getattr(module, "warm_up", _nothing)
    warm_up()
    return module


def _check_absent() -> None:
    present = [name for name in FORBIDDEN_MODULES if name in sys.modules]
    if present:
        raise PreloadFault(f"an entry of the zygote imports {' and '.join(present)}")


def _nothing() -> None:
    """An entry without this hook."""
