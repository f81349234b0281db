"""Where in a job's variables does a value stand that cannot be kept?

Asked only when there is one, for its message; a walk with names is slow, so it gives up after so many steps and names
the variable alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from statek_executor.workspace import nodes
from statek_executor.workspace.nodes import Node
from statek_executor.workspace.survey import Variable
from statek_protocol import values

STEPS: Final = 50_000


def name_lost(lost: Sequence[Node], variables: Sequence[Variable], table: Mapping[int, Node]) -> None:
    """Write into the heads of lost nodes where they stand."""
    wanted = {id(node.obj): node for node in lost}
    for variable in variables:
        if any(node.variable == variable.name for node in wanted.values()):
            _search(variable, wanted, table)
    for node in wanted.values():
        node.head = (f"{node.variable} (somewhere in it)", *node.head[1:])


def _search(variable: Variable, wanted: dict[int, Node], table: Mapping[int, Node]) -> None:
    """Go through a variable breadth first; what is found is named and no longer wanted."""
    level: list[tuple[str, Any]] = [(variable.name, variable.value)]
    seen: set[int] = set()
    while level and wanted and len(seen) < STEPS:
        following: list[tuple[str, Any]] = []
        for path, obj in level:
            if id(obj) in seen:
                continue
            seen.add(id(obj))
            node = wanted.pop(id(obj), None)
            if node is not None:
                node.head = (path, *node.head[1:])
            following.extend((path + step, part) for part, step in _parts(obj, table) if _leads_on(part))
        level = following


def _leads_on(part: Any) -> bool:
    return type(part) in values.NESTING or type(part) not in values.KNOWN


def _parts(obj: Any, table: Mapping[int, Node]) -> Iterator[tuple[object, str]]:
    if type(obj) in values.NESTING:
        yield from values.parts(obj)
        return
    node = table.get(id(obj))
    if node is None:
        return
    if node.kind == nodes.INSTANCE:
        yield from _instance_parts(node)
    elif node.kind in nodes.BY_ATTRIBUTE:
        yield from ((part, f".{name}") for name, part in node.body.items())
    elif node.kind == nodes.FUNCTION:
        yield from zip(node.head[2:], (f".{name}" for name in node.obj.__code__.co_freevars), strict=True)  # type: ignore[attr-defined]
        yield from ((part, "") for part in node.body)
    else:
        yield from ((part, "") for part in (*node.head, *(node.body if type(node.body) is list else ())))


def _instance_parts(node: Node) -> Iterator[tuple[object, str]]:
    attributes, slots, *content = (*node.body, None)[: max(2, len(node.body))]
    yield from ((part, f".{name}") for name, part in (attributes or {}).items())
    yield from ((part, f".{name}") for _, name, part in slots or ())
    yield from values.parts(node.head[2]) if type(node.head[2]) is tuple else ()
    for index, item in enumerate(content[0] if content else ()):
        if len(content) > 1 and type(item) is list:
            yield item[1], f"[{values.describe_key(item[0])}]"
        yield item, f"[{index}]"
