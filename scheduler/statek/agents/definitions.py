"""What may be changed in an agent without its program, and what is wrong with the fields of one? Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

import msgpack

from statek.agents import warmup
from statek.core.agents import AgentDefinition, Harness, WarmupBlock, pack
from statek.core.money import amount_of, micros_of
from statek.errors import AgentRefused
from statek_policies import Policy, PolicyError
from statek_policies.errors import shown, suggestion
from statek_protocol import schema
from statek_protocol.errors import InvalidField

__all__ = ["HARNESS_NAMES", "PLAIN_FIELDS", "REVISABLE", "faults_of", "harness_of", "pack", "revise", "unpack"]

HARNESS_NAMES: Final[Mapping[str, str]] = {
    "max_turns": "max_turns",
    "max_token_usage": "max_tokens",
    "max_exceptions": "max_exceptions",
    "max_consecutive_exceptions": "max_consecutive_exceptions",
    "max_cost": "max_cost_micros",
    "max_tree_token_usage": "max_tree_tokens",
    "max_tree_cost": "max_tree_cost_micros",
    "limit_extension_per_completion": "extension_per_completion",
}
"""The bounds of a harness as people name them (the settings do too), and as records do."""
PLAIN_FIELDS: Final = ("instructions", "model", "provider", "style", "plain_reply", "context_tokens", "options")
REVISABLE: Final = (*PLAIN_FIELDS, "warmup", "limits", *HARNESS_NAMES)
"""What can be changed without the agent's program: everything but its name, functions, variables and policy."""
OF_MONEY: Final = frozenset({"max_cost", "max_tree_cost"})
_MOST_MONEY: Final = 10**9
"""Whole units of currency that a bound can have."""


def unpack(data: bytes) -> AgentDefinition:
    """Read back what `pack` wrote; raises ValueError for bytes that are no definition, as damaged records are not."""
    try:
        return schema.load(AgentDefinition, msgpack.unpackb(data))
    except (InvalidField, msgpack.UnpackException, ValueError) as error:
        raise ValueError(f"this is no agent's definition: {error}") from error


def revise(definition: AgentDefinition, changes: Mapping[str, object]) -> AgentDefinition:
    """Return the agent with some fields changed, given as plain values; raises `AgentRefused` with all faults."""
    unknown = [name for name in changes if name not in REVISABLE]
    plain: dict[str, Any] = {name: changes[name] for name in PLAIN_FIELDS if name in changes}
    bounds, wrong = harness_of({name: changes[name] for name in HARNESS_NAMES if name in changes})
    faults = [f"unknown field {shown(name)}; {suggestion(name, REVISABLE)}" for name in unknown]
    faults += (*faults_of(plain), *wrong)
    policy = _attempt(faults, lambda: _limited(definition, changes.get("limits", {}))) or Policy()
    blocks = definition.warmup
    if "warmup" in changes:
        blocks = _attempt(faults, lambda: warmup.WarmupDef(_text(changes["warmup"])).blocks) or ()
        faults += warmup.check(blocks, policy)
    if faults:
        raise AgentRefused(definition.name, faults)
    plain |= {"harness": replace(definition.harness, **bounds), "policy": policy.to_wire()}
    return checked(replace(definition, **plain, warmup=blocks, event_name=_event_name(definition, blocks)))


def checked(definition: AgentDefinition) -> AgentDefinition:
    """Return a definition that can be read back as it is; raises `AgentRefused`."""
    try:
        return unpack(pack(definition))
    except (UnicodeEncodeError, OverflowError, ValueError) as error:
        raise AgentRefused(definition.name, (str(error),)) from error


def _event_name(definition: AgentDefinition, blocks: Sequence[WarmupBlock]) -> str:
    """Return the variable that an event fills in another warm-up; which ones the application exports is not known."""
    if blocks == definition.warmup:
        return definition.event_name
    expected = warmup.expected_names(blocks, (*definition.tools, *(definition.variables or ())))
    if not expected or definition.event_name in expected:
        return definition.event_name or "event"
    return expected[0] if len(expected) == 1 else ""


def faults_of(values: Mapping[str, object]) -> Iterator[str]:
    """Say what is wrong with values for fields of a definition, each by itself."""
    for name, value in values.items():
        try:
            schema.load(AgentDefinition, {"name": "agent", name: value})
            msgpack.packb(value)
        except InvalidField as error:
            yield f"{name}: {error.problem}"
        except (UnicodeEncodeError, OverflowError) as error:
            yield f"{name}: it cannot be written down: {error}"
        else:
            if name == "options" and value is not None and type(value) is not dict:
                yield "options: a map of names to plain values is needed"


def harness_of(bounds: Mapping[str, object]) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Read bounds of a harness by the names that people use: its fields, and what is wrong with them."""
    read: dict[str, Any] = {}
    faults = []
    for name, value in bounds.items():
        try:
            given = _micros(value) if name in OF_MONEY else value
            if name == "limit_extension_per_completion" and isinstance(given, int | float) and not 0 <= given <= 1_000:
                raise ValueError(f"{given} is not between 0 and 1000")
            harness = schema.load(Harness, {HARNESS_NAMES[name]: given})
        except InvalidField as error:
            faults.append(f"{name}: {error.problem}")
        except ValueError as error:
            faults.append(f"{name}: {error}")
        else:
            read[HARNESS_NAMES[name]] = getattr(harness, HARNESS_NAMES[name])
    return read, tuple(faults)


def _micros(value: object) -> int | None:
    """Turn an amount in whole units of the price table's currency into millionths of it."""
    if value is None:
        return None
    if type(value) not in (int, float, str, Decimal):
        raise ValueError("an amount of money is needed")
    try:
        amount = amount_of(value)
        if -_MOST_MONEY <= amount <= _MOST_MONEY:  # else it might have a million digits
            return int(micros_of(amount))
    except (ArithmeticError, ValueError):
        pass  # it is no number at all
    raise ValueError(f"{shown(value)} is no amount of money")


def _limited(definition: AgentDefinition, limits: object) -> Policy:
    if not isinstance(limits, Mapping):
        raise TypeError("limits: a map of limits by name is needed")
    return Policy.from_record(definition.policy).changed(dict(limits), {})


def _text(value: object) -> str:
    if type(value) is not str:
        raise TypeError("warmup: a text is needed")
    return value


def _attempt(faults: list[str], make: Callable[[], Any]) -> Any:
    try:
        return make()
    except (PolicyError, TypeError, ValueError) as error:
        faults.append(str(error))
        return None
