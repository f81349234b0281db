"""Which names may the variables have that a job starts with? Pure."""

from __future__ import annotations

import keyword
from collections.abc import Collection, Iterable, Iterator

from statek.agents.warmup import PROVIDED
from statek_policies.errors import shown
from statek_protocol.messages.base import NAME_LIMIT


def objections(names: Iterable[object], *, tools: Collection[str], exports: Collection[str]) -> Iterator[str]:
    """Say what is wrong with each name that a job cannot have a variable of."""
    for name in names:
        reason = objection(name, tools=tools, exports=exports)
        if reason is not None:
            yield f"{shown(name)} {reason}"


def objection(name: object, *, tools: Collection[str] = (), exports: Collection[str] = ()) -> str | None:
    """Say why a job cannot be given a variable of that name; None where it can."""
    if not is_variable(name):
        return "is no name for a variable that a guest could use"
    if name in tools:
        return "is the name of a tool"
    if name in exports:
        return "is the name of a variable that the application exports to all of these jobs"
    if name in PROVIDED:
        return "is a name that every guest has already"
    return None


def is_variable(name: object) -> bool:
    """Tell whether guest code could use a variable of that name."""
    spelled = type(name) is str and name.isidentifier() and not name.startswith("_") and len(name) <= NAME_LIMIT
    return spelled and not keyword.iskeyword(str(name))
