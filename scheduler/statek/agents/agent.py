"""What people write in Python to have an agent: a value that is checked at once, all of it.

Its functions stay in the program that makes it. What outlives the program is `Agent.definition`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import asdict, dataclass, replace
from decimal import Decimal
from typing import Any, Final, Literal, TypedDict, Unpack

from statek.agents import warmup as warmups
from statek.agents.definitions import HARNESS_NAMES, checked, faults_of, harness_of
from statek.agents.variables import objection, objections
from statek.agents.warmup import WarmupDef
from statek.calls.tools import ToolRegistry
from statek.core.agents import CONTEXT_TOKENS, AgentDefinition, Harness, WarmupBlock
from statek.errors import AgentRefused, AppUnusable
from statek_policies import Policy, PolicyError
from statek_policies.errors import shown, suggestion
from statek_protocol.messages.base import NAME_LIMIT

Warmup = WarmupDef | str | Iterable[str | WarmupBlock]
OnMessage = Literal["keep", "wake", "cancel"]
OnPush = Callable[[str, str], str]
"""Called with a job's name and a message for it while it waits; says "keep", "wake" or "cancel"."""
ErrorHandler = Callable[[Any, Any], object]
"""Called with the view of a job that did not end well, and its error or None."""

_HARNESS: Final = Harness()


class Bounds(TypedDict, total=False):
    """What bounds a job's conversation with its model; None for no bound."""

    max_turns: int | None
    max_token_usage: int | None
    max_exceptions: int | None
    max_consecutive_exceptions: int | None
    max_cost: Decimal | float | str | None
    """In whole units of the price table's currency."""
    max_tree_token_usage: int | None
    """Of the job and all that work for it together, its subtasks and theirs."""
    max_tree_cost: Decimal | float | str | None
    limit_extension_per_completion: float


@dataclass(frozen=True, init=False, eq=False, repr=False)
class Agent:
    """An agent: its role is its name. Raises `AgentRefused` with everything that is wrong with it."""

    role: str
    instructions: str
    tools: ToolRegistry
    """Functions that its jobs may call, and no others."""
    locals: tuple[str, ...] | None
    """Names of the application's variables that its jobs see; None for all."""
    warmup: WarmupDef
    policy: Policy
    """Narrowed to its tools."""
    bounds: Mapping[str, Any]
    """Of its harness: those that it says itself, by the names of `Harness`."""
    context_tokens: int | None
    on_push: OnPush | None
    error_handler: ErrorHandler | None
    _plain: Mapping[str, Any]

    def __init__(
        self,
        role: str,
        instructions: str = "",
        *,
        model: str = "",
        provider: str = "",
        tools: Sequence[Callable[..., Any]] = (),
        locals: Collection[str] | None = None,
        warmup: Warmup | None = None,
        event_name: str | None = None,
        policy: Policy | str | os.PathLike[str] = "default",
        limits: Mapping[str, float] | None = None,
        harness: Harness | None = None,
        style: Literal["fenced", "tool"] = "fenced",
        plain_reply: Literal["ends", "asks"] = "ends",
        on_message: OnMessage = "keep",
        on_push: OnPush | None = None,
        error_handler: ErrorHandler | None = None,
        context_tokens: int | None = None,
        options: Mapping[str, Any] | None = None,
        **bounds: Unpack[Bounds],
    ) -> None:
        """`harness`, or single bounds of it, are the agent's own; for the others the settings' hold.

        `on_push` is asked what a message does to a job that waits; without it `on_message` says so. Both it and
        `error_handler` are called in dbzero's thread.
        """
        plain: dict[str, Any] = {"instructions": instructions, "model": model, "provider": provider}
        plain |= {"style": style, "plain_reply": plain_reply, "options": options}
        plain["on_message"] = on_message if on_push is None else "ask"
        faults = [
            *_role_faults(role),
            *faults_of(plain),
            *_callable_faults(on_push=on_push, error_handler=error_handler),
        ]
        faults += _asking_faults(on_message, on_push)
        if context_tokens is not None:
            faults += faults_of({"context_tokens": context_tokens})
        registry = _tools(tools, faults)
        names = _locals(locals, registry, faults)
        held = _policy(policy, limits or {}, registry.names, faults)
        blocks = _warmup(warmup, event_name, registry, names or (), faults)
        faults += warmups.check(blocks.blocks, held)
        own = _harness(harness, bounds, faults)
        if faults:
            raise AgentRefused(role if type(role) is str else "?", faults)
        values = (role, instructions, registry, names, blocks, held, own, context_tokens, on_push, error_handler, plain)
        for name, value in zip(self.__dataclass_fields__, values, strict=True):
            object.__setattr__(self, name, value)
        checked(self.definition())

    def __repr__(self) -> str:
        return f"Agent({self.role!r})"

    def with_warmup(self, warmup: Warmup, *, event_name: str | None = None) -> Agent:
        """Return the same agent with another warm-up; raises `AgentRefused`."""
        faults: list[str] = []
        blocks = _warmup(warmup, event_name, self.tools, self.locals or (), faults)
        faults += warmups.check(blocks.blocks, self.policy)
        if faults:
            raise AgentRefused(self.role, faults)
        other = copy(self)
        object.__setattr__(other, "warmup", blocks)
        return other

    def definition(
        self, exports: Collection[str] = (), harness: Harness = _HARNESS, context_tokens: int = CONTEXT_TOKENS
    ) -> AgentDefinition:
        """Return what is kept of the agent, in an application that exports variables of these names.

        What the agent does not say of its harness and context is taken from here.
        """
        return AgentDefinition(
            self.role,
            warmup=self.warmup.blocks,
            event_name=self.event_name(exports),
            tools=self.tools.names,
            variables=self.locals,
            policy_name=self.policy.name,
            policy=self.policy.to_wire(),
            harness=replace(harness, **self.bounds),
            context_tokens=context_tokens if self.context_tokens is None else self.context_tokens,
            **self._plain,
        )

    def event_name(self, exports: Collection[str] = ()) -> str:
        """Return the variable that an event fills; empty where the warm-up leaves several to choose from."""
        if self.warmup.event_name is not None:
            return self.warmup.event_name
        known = (*self.tools.names, *(exports if self.locals is None else self.locals))
        expected = warmups.expected_names(self.warmup.blocks, known)
        return expected[0] if len(expected) == 1 else "" if expected else "event"


def _role_faults(role: object) -> Iterator[str]:
    if type(role) is not str or not 0 < len(role) <= NAME_LIMIT or not role.isprintable() or role != role.strip():
        yield f"role: a name of 1 to {NAME_LIMIT} printable characters is needed, not {shown(role)}"


def _asking_faults(on_message: str, on_push: OnPush | None) -> Iterator[str]:
    if on_message == "ask" and on_push is None:
        yield "on_message: give the function that is asked as on_push="


def _callable_faults(**handlers: object) -> Iterator[str]:
    for name, handler in handlers.items():
        if handler is not None and not callable(handler):
            yield f"{name}: a function is needed, not {shown(handler)}"


def _tools(functions: object, faults: list[str]) -> ToolRegistry:
    registry = ToolRegistry()
    if not isinstance(functions, list | tuple):
        faults.append(f"tools: a list of functions is needed, not {shown(functions)}")
        return registry
    for function in functions:
        try:
            registry.add(function)
        except AppUnusable as error:
            faults.append(f"tools: {error}")
    return registry


def _locals(names: Any, tools: ToolRegistry, faults: list[str]) -> tuple[str, ...] | None:
    if names is None:
        return None
    if isinstance(names, str) or not isinstance(names, Collection):
        faults.append(f"locals: a list of names of the application's variables is needed, not {shown(names)}")
        return None
    wrong = list(objections(names, tools=tools.names, exports=()))
    faults += (f"locals: {fault}" for fault in wrong)
    in_order = sorted(names) if isinstance(names, set | frozenset) and not wrong else names
    return None if wrong else tuple(dict.fromkeys(in_order))


def _policy(policy: object, limits: object, tools: Sequence[str], faults: list[str]) -> Policy:
    """Return the policy with its limits changed and its tools narrowed to the agent's own."""
    try:
        if not isinstance(policy, Policy | str | os.PathLike):
            faults.append(f"policy: a Policy, a profile's name or a file is needed, not {shown(policy)}")
            return Policy()
        if not isinstance(limits, Mapping):
            faults.append(f"limits: a map of limits by name is needed, not {shown(limits)}")
            return Policy()
        found = policy if isinstance(policy, Policy) else Policy.load(policy)
        denied = [name for name in tools if not found.offers_tool(name)]
        faults += (f"tools: the policy {found.name!r} does not allow {name!r}" for name in denied)
        return found.changed(dict(limits), {"tools": list(tools)})
    except PolicyError as error:
        faults.append(f"policy: {error}")
        return Policy()


def _warmup(
    given: Warmup | None, event_name: object, tools: ToolRegistry, exports: Collection[str], faults: list[str]
) -> WarmupDef:
    try:
        found = given if isinstance(given, WarmupDef) else WarmupDef(() if given is None else given)
    except (TypeError, ValueError) as error:
        faults.append(f"warmup: {error}")
        return WarmupDef()
    if event_name is None:
        event_name = found.event_name
    reason = None if event_name is None else objection(event_name, tools=tools.names, exports=exports)
    if reason is not None:
        faults.append(f"event_name: {shown(event_name)} {reason}")
        return found
    return WarmupDef(found.blocks, event_name=event_name if event_name is None else str(event_name))


def _harness(harness: object, bounds: Mapping[str, object], faults: list[str]) -> dict[str, object]:
    own: dict[str, object] = {}
    if isinstance(harness, Harness):
        own |= asdict(harness)
    elif harness is not None:
        faults.append(f"harness: a Harness is needed, not {shown(harness)}")
    for name in bounds.keys() - HARNESS_NAMES:
        faults.append(f"there is no {name!r}; {suggestion(name, _KEYWORDS)}")
    read, wrong = harness_of({name: value for name, value in bounds.items() if name in HARNESS_NAMES})
    faults += wrong
    return own | read


_KEYWORDS: Final = frozenset({*HARNESS_NAMES, *Agent.__init__.__annotations__} - {"return", "bounds"})
