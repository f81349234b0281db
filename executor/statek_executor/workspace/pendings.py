"""How is a value kept that may not be there yet?

As what it is: a stand-in, with the number of its future, and the value once it was fetched. So every name for it stays
a name for one thing, and a replay from here waits for exactly what the first run waited for.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from statek_executor.workspace.errors import MalformedWorkspace
from statek_executor.workspace.nodes import PENDING, Fill, Make, Node, Portray, Sight, Workshop
from statek_policies.language.pending import Pending, blank, restore, state


def _depict(value: Pending, sight: Sight) -> Node:
    return Node(value, PENDING, (), sight.own(state(value)))


def _make(head: Sequence[Any], shop: Workshop) -> object:
    return blank()


def _fill(made: Any, body: Any, shop: Workshop) -> None:
    try:
        restore(made, body)
    except (TypeError, ValueError) as fault:
        raise MalformedWorkspace(str(fault)) from fault


PORTRAITS: Final[dict[type, Portray]] = {Pending: _depict}
MAKERS: Final[dict[int, Make]] = {PENDING: _make}
FILLERS: Final[dict[int, Fill]] = {PENDING: _fill}
