"""What does an application offer to guests, and does it fit together?

Tools, variables and classes, and agents with tools of their own. All tools of an application have one room of names,
because a job's record names them; which of them a job may call is its agent's affair.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

from statek.agents.agent import Agent
from statek.agents.variables import is_variable
from statek.calls.tools import Tool, ToolRegistry
from statek.errors import AppUnusable
from statek_policies.errors import shown, suggestion
from statek_protocol.messages.base import NAME_LIMIT
from statek_protocol.values import KNOWN, NESTING

LOCALS: Final = 1_000
"""Variables that an application may export."""
_LAYERS: Final = 64
"""How deep an exported container is looked through for objects."""


@dataclass(frozen=True)
class Offer:
    """What guests get: tools by name, variables, and the classes of which they may get objects besides."""

    tools: ToolRegistry = field(default_factory=ToolRegistry)
    """All of them, those of agents too."""
    variables: Mapping[str, object] = field(default_factory=dict)
    classes: frozenset[type] = frozenset()
    agents: Mapping[str, Agent] = field(default_factory=dict)
    """By their names."""
    reserved: frozenset[str] = frozenset()
    """Tools that only jobs of agents may call."""
    push_queues: tuple[str, ...] | None = None
    """Names of the queues out of which this application's scheduler delivers; None for all."""

    def __post_init__(self) -> None:
        objects = dict(itertools.chain.from_iterable(_objects(name, value) for name, value in self.variables.items()))
        object.__setattr__(self, "objects", objects)
        object.__setattr__(self, "_names", {id(value): place for place, value in reversed(objects.items())})

    objects: Mapping[str, object] = field(init=False)
    """What is no plain value among the variables, by its place: the variable's name, and the steps into it."""
    _names: Mapping[int, str] = field(init=False)

    def tool_for(self, agent: str, name: str) -> Tool | None:
        """Return a tool that jobs of the agent may call, as far as the application has a say in it."""
        return None if not agent and name in self.reserved else self.tools.get(name)

    def name_of(self, value: object) -> str | None:
        """Return the place of an object among the variables, by its identity."""
        place = self._names.get(id(value))
        return place if place is not None and self.objects[place] is value else None


def offer_of(
    *,
    tools: object = (),
    variables: object = MappingProxyType({}),
    classes: object = (),
    agents: object = (),
    push_queues: object = None,
    place: str,
    complete: bool = True,
) -> Offer:
    """Put together what a program offers; raises `AppUnusable`, whose text begins with the place.

    Before its variables are known it is not complete, and what agents say of them is not held against them.
    """
    if not isinstance(tools, list | tuple):
        raise AppUnusable(f"{place}: `tools` must be a list of functions")
    if not isinstance(variables, Mapping):
        raise AppUnusable(f"{place}: `locals` must be a dict of variables by name")
    if not isinstance(classes, list | tuple) or not all(isinstance(cls, type) for cls in classes):
        raise AppUnusable(f"{place}: `classes` must be a list of classes")
    registry = ToolRegistry(tools)
    shared = frozenset(registry.names)
    known = _agents(agents, place)
    for agent in known.values():
        _join(registry, agent, place)
    _check_names(variables, registry, place)
    for agent in known.values() if complete else ():
        _check_locals(agent, variables, place)
    reserved = frozenset(registry.names) - shared
    return Offer(registry, variables, frozenset(classes), known, reserved, _queues(push_queues, place))


def _agents(given: object, place: str) -> Mapping[str, Agent]:
    """Return agents by name; the same one may be given twice."""
    if not isinstance(given, list | tuple) or not all(isinstance(agent, Agent) for agent in given):
        raise AppUnusable(f"{place}: `agents` must be a list of agents")
    found: dict[str, Agent] = {}
    for agent in given:
        if found.setdefault(agent.role, agent) is not agent:
            raise AppUnusable(f"{place}: two agents are called {agent.role!r}")
    return found


def _join(registry: ToolRegistry, agent: Agent, place: str) -> None:
    """Let an agent's tools be found by their names, of which each can have one function only."""
    for tool in agent.tools:
        other = registry.get(tool.name)
        if other is None:
            registry.take(tool)
        elif other.function != tool.function:
            text = f"the agent {agent.role!r} and another part of the application have different tools {tool.name!r}"
            raise AppUnusable(f"{place}: {text}; `@tool(name=...)` gives one of them another name")


def _check_names(variables: Mapping[Any, object], tools: ToolRegistry, place: str) -> None:
    if len(variables) > LOCALS:
        raise AppUnusable(f"{place}: `locals` has {len(variables)} variables; {LOCALS} can be exported")
    for name in variables:
        if not is_variable(name):
            raise AppUnusable(f"{place}: {name!r} in `locals` is no name for a variable that a guest could use")
        if tools.get(name) is not None:
            raise AppUnusable(f"{place}: {name!r} is the name of a tool and of a variable in `locals`")


def _check_locals(agent: Agent, variables: Mapping[str, object], place: str) -> None:
    for name in agent.locals or ():
        if name not in variables:
            near = suggestion(name, variables) if variables else "it exports none"
            text = (
                f"the agent {agent.role!r} names {name!r} in its locals, which the application does not export; {near}"
            )
            raise AppUnusable(f"{place}: {text}")


def _queues(given: object, place: str) -> tuple[str, ...] | None:
    """Return names of queues: given as such, or as objects that have one."""
    if given is None:
        return None
    if isinstance(given, str) or not isinstance(given, Sequence | set | frozenset):
        raise AppUnusable(f"{place}: `push_queues` must be a list of queues or their names")
    names: list[Any] = [getattr(queue, "name", queue) for queue in given]
    for name in names:
        if type(name) is not str or not 0 < len(name) <= NAME_LIMIT or not name.isprintable():
            raise AppUnusable(f"{place}: {shown(name)} in `push_queues` is no queue and no name of one")
    return tuple(dict.fromkeys(names))


def _objects(place: str, value: Any, layers: int = _LAYERS) -> Iterator[tuple[str, object]]:
    """Give what is no plain value at or below a place, each with its own place."""
    if type(value) in NESTING and layers:
        parts: Iterable[object] = value.values() if type(value) is dict else value
        for index, part in enumerate(parts):
            yield from _objects(f"{place}.{index}", part, layers - 1)
    elif type(value) not in KNOWN:
        yield place, value
