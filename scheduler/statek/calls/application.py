"""What an application offers to guests, and how its file is loaded: in dbzero's thread, once dbzero is open.

So a file may open prefixes of its own at its top level, and make or fetch its objects there:

    db0.open("calendar", "rw")
    tools = [search, book]
    locals = {"calendar": Calendar(), "currency": "EUR"}
    classes = [sqlalchemy.Engine]

All three are optional. It runs again, from its first line, when dbzero has to be opened anew.
"""

from __future__ import annotations

import importlib.util
import itertools
import logging
import sys
import traceback
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from statek.calls.tools import ToolRegistry
from statek.errors import AppUnusable
from statek_protocol.messages.base import NAME_LIMIT
from statek_protocol.values import KNOWN, NESTING

log = logging.getLogger(__name__)

MODULE: Final = "statek_app"
"""The name under which the file is a module; dbzero classes without an id are known by it."""
LOCALS: Final = 1_000
"""Variables that an application may export."""
_LAYERS: Final = 64
"""How deep an exported container is looked through for objects."""


@dataclass(frozen=True)
class Offer:
    """What guests get: tools by name, variables, and the classes of which they may get objects besides."""

    tools: ToolRegistry = field(default_factory=ToolRegistry)
    variables: Mapping[str, object] = field(default_factory=dict)
    classes: frozenset[type] = frozenset()

    def __post_init__(self) -> None:
        objects = dict(itertools.chain.from_iterable(_objects(name, value) for name, value in self.variables.items()))
        object.__setattr__(self, "objects", objects)
        object.__setattr__(self, "_names", {id(value): place for place, value in reversed(objects.items())})

    objects: Mapping[str, object] = field(init=False)
    """What is no plain value among the variables, by its place: the variable's name, and the steps into it."""
    _names: Mapping[int, str] = field(init=False)

    def name_of(self, value: object) -> str | None:
        """Return the place of an object among the variables, by its identity."""
        place = self._names.get(id(value))
        return place if place is not None and self.objects[place] is value else None


class Application:
    """The application of one scheduler: loads what it offers, when told to, and again when dbzero is opened anew."""

    def __init__(self, file: Path | None = None, *, offer: Offer | None = None) -> None:
        """Takes a file to load, or what a program that has the scheduler in it offers itself."""
        self._file = file
        self.offer = offer or Offer()
        self.loaded: Future[Offer] = Future()
        """Done as soon as the first loading is; with its error if there was one."""
        if file is not None:
            check_file(file)

    @property
    def is_known(self) -> bool:
        """Tell whether the offer is there without anything having to be loaded."""
        return self._file is None or self.loaded.done()

    def load(self) -> None:
        """Load it; raises `AppUnusable`. In dbzero's thread, with dbzero open."""
        if self._file is not None:
            self.offer = _offer_of(_run(self._file), self._file)

    def take_up(self) -> None:
        """Say that what was loaded can be used, to whoever waits for it."""
        if not self.loaded.done():
            self.loaded.set_result(self.offer)

    def give_up(self, error: BaseException) -> None:
        """Say that it will not be loaded any more, to whoever waits for it."""
        if not self.loaded.done():
            self.loaded.set_exception(error)


def check_file(file: Path) -> None:
    """Refuse what can be refused without running it; raises `AppUnusable`."""
    if not file.is_file():
        raise AppUnusable(f"no application file {file}")
    if importlib.util.spec_from_file_location(MODULE, file) is None:
        raise AppUnusable(f"{file} is no Python file")
    try:
        compile(file.read_bytes(), str(file), "exec", dont_inherit=True)
    except (OSError, SyntaxError, ValueError) as error:
        raise AppUnusable(f"{file} cannot be loaded: {type(error).__name__}: {error}") from error


def _run(file: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(MODULE, file)
    if spec is None or spec.loader is None:
        raise AppUnusable(f"{file} is no Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        log.info("the application cannot be loaded", exc_info=True)
        frames = traceback.extract_tb(error.__traceback__)
        line = next((f"line {frame.lineno}: " for frame in reversed(frames) if frame.filename == str(file)), "")
        raise AppUnusable(f"{file} cannot be loaded: {line}{type(error).__name__}: {error}") from error
    return module


def _offer_of(module: ModuleType, file: Path) -> Offer:
    """Read what the module exports; raises `AppUnusable`."""
    names = vars(module)
    if not names.keys() & {"tools", "locals"}:
        raise AppUnusable(f"{file} exports neither a list `tools` nor a dict `locals`")
    tools, variables, classes = names.get("tools", []), names.get("locals", {}), names.get("classes", [])
    if not isinstance(tools, list | tuple):
        raise AppUnusable(f"{file} exports no list `tools`")
    if not isinstance(variables, dict):
        raise AppUnusable(f"{file}: `locals` must be a dict of variables by name")
    if not isinstance(classes, list | tuple) or not all(isinstance(cls, type) for cls in classes):
        raise AppUnusable(f"{file}: `classes` must be a list of classes")
    registry = ToolRegistry(tools)
    _check_names(variables, registry, file)
    return Offer(registry, variables, frozenset(classes))


def _check_names(variables: Mapping[Any, object], tools: ToolRegistry, file: Path) -> None:
    if len(variables) > LOCALS:
        raise AppUnusable(f"{file}: `locals` has {len(variables)} variables; {LOCALS} can be exported")
    for name in variables:
        if type(name) is not str or not name.isidentifier() or name.startswith("_") or len(name) > NAME_LIMIT:
            raise AppUnusable(f"{file}: {name!r} in `locals` is no name for a variable that a guest could use")
        if tools.get(name) is not None:
            raise AppUnusable(f"{file}: {name!r} is the name of a tool and of a variable in `locals`")


def _objects(place: str, value: Any, layers: int = _LAYERS) -> Iterator[tuple[str, object]]:
    """Give what is no plain value at or below a place, each with its own place."""
    if type(value) in NESTING and layers:
        for index, part in enumerate(value.values() if type(value) is dict else value):
            yield from _objects(f"{place}.{index}", part, layers - 1)
    elif type(value) not in KNOWN:
        yield place, value
