"""Which portrait does an object get that is not a plain value?"""

from __future__ import annotations

import re
import types
from typing import Any, Final

from statek_executor.workspace import annotations as annotation_forms
from statek_executor.workspace import classes, containers, exceptions, functions, instances, library, pendings
from statek_executor.workspace.lost import Lost, facts
from statek_executor.workspace.nodes import LOST, REFERENCE, Fill, Make, Node, Portray, Sight, lost_node
from statek_executor.workspace.references import name_of

_TRANSIENT: Final[dict[type, str]] = {
    types.GeneratorType: "a live generator",
    types.CoroutineType: "a live coroutine",
    types.ModuleType: "a module that was not handed out",
    re.Match: "the match of a pattern",
    types.FrameType: "a frame",
    types.TracebackType: "a traceback",
    types.MethodWrapperType: "a method of a value, taken by its dunder name",
}
_TOPICS: Final = (annotation_forms, containers, functions, library, pendings)
_ALL_TOPICS: Final = (*_TOPICS, classes, exceptions, instances)
PORTRAITS: Final[dict[type, Portray]] = {
    kind: portray for topic in _TOPICS for kind, portray in topic.PORTRAITS.items()
}
MAKERS: Final[dict[int, Make]] = {kind: make for topic in _ALL_TOPICS for kind, make in topic.MAKERS.items()}
FILLERS: Final[dict[int, Fill]] = {kind: fill for topic in _ALL_TOPICS for kind, fill in topic.FILLERS.items()}


def portray(obj: Any, sight: Sight) -> Node:
    """Describe an object that is not plain, by name when it was handed out; what cannot be kept is lost."""
    if type(obj) is Lost:
        return Node(obj, LOST, facts(obj))
    name = name_of(obj, sight.references)
    if name is not None:
        return Node(obj, REFERENCE, (name,))
    kind = type(obj)
    if kind in PORTRAITS:
        return PORTRAITS[kind](obj, sight)
    if classes.is_class(obj):
        return classes.depict_class(obj, sight)
    if kind in _TRANSIENT:
        return lost_node(obj, _TRANSIENT[kind])
    return instances.depict_instance(obj, sight)
