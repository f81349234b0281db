"""What an application offers to guests, and how its file is loaded: in dbzero's thread, once dbzero is open.

So a file may open prefixes of its own at its top level, and make or fetch its objects there:

    db0.open("calendar", "rw")
    tools = [search, book]
    locals = {"calendar": Calendar(), "currency": "EUR"}
    classes = [sqlalchemy.Engine]
    agents = [dispatcher, researcher]
    push_queues = ["main"]

All of them are optional, but one of tools, locals, setup and agents. In the place of `locals` there may be a function
`setup()` that opens and makes all this and returns them, so that a program can import the file, too. The file runs
again, from its first line, when dbzero has to be opened anew.
"""

from __future__ import annotations

import importlib.util
import logging
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from statek.agents.agent import Agent
from statek.calls.offers import Offer, offer_of
from statek.errors import AppUnusable

log = logging.getLogger(__name__)

_PROGRAM: Final = "the application"
MODULE: Final = "statek_app"
"""The name under which the file is a module; dbzero classes without an id are known by it."""
Setup = Callable[[], Mapping[str, object]]
"""Run in dbzero's thread whenever it was opened; returns the variables that the application exports."""


class Application:
    """The application of one scheduler: loads what it offers, when told to, and again when dbzero is opened anew."""

    def __init__(
        self,
        file: Path | None = None,
        *,
        tools: Sequence[Callable[..., Any]] = (),
        classes: Sequence[type] = (),
        agents: Sequence[Agent] | None = (),
        push_queues: Sequence[Any] | None = None,
        setup: Setup | None = None,
        offer: Offer | None = None,
    ) -> None:
        """Takes a file to load, or what a program that has the scheduler in it offers itself.

        Raises `AppUnusable` for what can be refused at once. `agents` is None for all that are known in the store, as
        the programs that defined them left them.
        """
        self._file = file
        self._setup = setup
        self._offered = partial(
            offer_of, tools=tools, classes=classes, agents=agents or (), push_queues=push_queues, place=_PROGRAM
        )
        self.all_agents = agents is None
        """Whether events become jobs of all agents that are known, or of its own only."""
        self.offer = offer or self._offered(complete=setup is None)
        self.loaded: Future[Offer] = Future()
        """Done as soon as the first loading is; with its error if there was one."""
        if file is not None:
            check_file(file)

    @property
    def is_known(self) -> bool:
        """Tell whether the offer is there without anything having to be loaded."""
        return (self._file is None and self._setup is None) or self.loaded.done()

    def load(self) -> None:
        """Load it; raises `AppUnusable`. In dbzero's thread, with dbzero open."""
        if self._file is not None:
            self.offer = _exported(_run(self._file), self._file)
        elif self._setup is not None:
            self.offer = self._offered(variables=_set_up(self._setup, _PROGRAM))

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


def _exported(module: ModuleType, file: Path) -> Offer:
    """Read what the module exports; raises `AppUnusable`."""
    names = vars(module)
    if not names.keys() & {"tools", "locals", "setup", "agents"}:
        raise AppUnusable(f"{file} exports neither a list `tools` nor a dict `locals` nor a list `agents`")
    exported = {name: names[name] for name in ("tools", "classes", "agents", "push_queues") if name in names}
    return offer_of(variables=_variables(names, file), place=str(file), **exported)


def _variables(names: Mapping[str, Any], file: Path) -> Any:
    setup = names.get("setup")
    if setup is None:
        return names.get("locals", {})
    if not callable(setup) or "locals" in names:
        raise AppUnusable(f"{file}: `setup` must be a function that returns the variables, in the place of `locals`")
    return _set_up(setup, str(file))


def _set_up(setup: Setup, place: str = _PROGRAM) -> Mapping[str, object]:
    try:
        return setup()
    except Exception as error:
        log.info("the application cannot be set up", exc_info=True)
        raise AppUnusable(f"{place} cannot be set up: {type(error).__name__}: {error}") from error
