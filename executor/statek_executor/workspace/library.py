"""How are objects of the standard library kept that are neither containers nor the guest's own definitions?"""

from __future__ import annotations

import functools
import gc
import io
import re
import types
from collections.abc import Sequence
from typing import Any, Final

from statek_executor.workspace.errors import MalformedWorkspace
from statek_executor.workspace.nodes import (
    BYTESIO,
    CACHED_FUNCTION,
    CACHED_PROPERTY,
    PARTIAL,
    PATTERN,
    PROXY,
    SLICE,
    STRINGIO,
    VIEW,
    Fill,
    Make,
    Node,
    Portray,
    Sight,
    Workshop,
    lost_node,
)

_VIEWS: Final = {type({}.keys()): "keys", type({}.values()): "values", type({}.items()): "items"}


def _depict_partial(partial: Any, sight: Sight) -> Node:
    return Node(
        partial, PARTIAL, (), sight.own([partial.func, partial.args, partial.keywords, partial.__dict__ or None])
    )


def _fill_partial(made: Any, body: Any, shop: Workshop) -> None:
    made.__setstate__(tuple(body))


def _depict_text_io(stream: io.StringIO, sight: Sight) -> Node:
    if stream.closed:
        return lost_node(stream, "it is closed")
    state: Any = stream.__getstate__()
    text, newline, position, _ = state
    return Node(stream, STRINGIO, (newline,), sight.own([text, position]))


def _make_text_io(head: Sequence[Any], shop: Workshop) -> object:
    (newline,) = head
    return io.StringIO(newline=newline)


def _fill_text_io(made: io.StringIO, body: Any, shop: Workshop) -> None:
    text, position = body
    stream: Any = made
    stream.__setstate__((text, stream.__getstate__()[1], position, None))


def _depict_bytes_io(stream: io.BytesIO, sight: Sight) -> Node:
    if stream.closed:
        return lost_node(stream, "it is closed")
    return Node(stream, BYTESIO, (), sight.own([stream.getvalue(), stream.tell()]))


def _fill_bytes_io(made: io.BytesIO, body: Any, shop: Workshop) -> None:
    content, position = body
    made.write(content)
    made.seek(position)


def _depict_proxy(proxy: Any, sight: Sight) -> Node:
    (mapping,) = gc.get_referents(proxy)
    if type(mapping) is not dict:
        return lost_node(proxy, "a view of something that is not a dictionary")
    return Node(proxy, PROXY, (mapping,))


def _depict_view(view: Any, sight: Sight) -> Node:
    (mapping,) = gc.get_referents(view)
    if type(mapping) is not dict:
        return lost_node(view, "a view of something that is not a plain dictionary")
    return Node(view, VIEW, (mapping, _VIEWS[type(view)]))


def _make_view(head: Sequence[Any], shop: Workshop) -> object:
    mapping, name = head
    if type(mapping) is not dict or name not in _VIEWS.values():
        raise MalformedWorkspace("a view of nothing")
    return getattr(mapping, name)()


def _depict_cached(cached: Any, sight: Sight) -> Node:
    """Keep a cached function without its cache: what it remembers can be computed again."""
    attributes = cached.__dict__
    parameters = attributes.get("cache_parameters")
    if type(parameters) is not types.FunctionType or parameters.__globals__ is not vars(functools):
        return lost_node(cached, "a cached function that was changed")
    typed = parameters()["typed"]
    maxsize = type(cached).cache_info(cached).maxsize
    return Node(cached, CACHED_FUNCTION, (attributes.get("__wrapped__"), maxsize, typed))


def _make_cached(head: Sequence[Any], shop: Workshop) -> object:
    function, maxsize, typed = head
    return functools.lru_cache(maxsize=maxsize, typed=typed)(function)


def _depict_cached_property(attribute: Any, sight: Sight) -> Node:
    return Node(attribute, CACHED_PROPERTY, (), sight.own([attribute.func, attribute.attrname, attribute.__doc__]))


def _fill_cached_property(made: Any, body: Any, shop: Workshop) -> None:
    made.func, made.attrname, made.__doc__ = body


def _nothing(_: object) -> None:
    """Stand in a cached property or partial until its function is there."""


PORTRAITS: Final[dict[type, Portray]] = {
    re.Pattern: lambda pattern, sight: Node(pattern, PATTERN, (pattern.pattern, int(pattern.flags))),
    functools.partial: _depict_partial,
    io.StringIO: _depict_text_io,
    io.BytesIO: _depict_bytes_io,
    slice: lambda cut, sight: Node(cut, SLICE, (cut.start, cut.stop, cut.step)),
    types.MappingProxyType: _depict_proxy,
    functools._lru_cache_wrapper: _depict_cached,
    functools.cached_property: _depict_cached_property,
    **dict.fromkeys(_VIEWS, _depict_view),
}
MAKERS: Final[dict[int, Make]] = {
    PATTERN: lambda head, shop: re.compile(head[0], head[1]),
    PARTIAL: lambda head, shop: functools.partial(_nothing),
    STRINGIO: _make_text_io,
    BYTESIO: lambda head, shop: io.BytesIO(),
    SLICE: lambda head, shop: slice(*head),
    PROXY: lambda head, shop: types.MappingProxyType(head[0]),
    VIEW: _make_view,
    CACHED_FUNCTION: _make_cached,
    CACHED_PROPERTY: lambda head, shop: functools.cached_property(_nothing),
}
FILLERS: Final[dict[int, Fill]] = {
    PARTIAL: _fill_partial,
    STRINGIO: _fill_text_io,
    BYTESIO: _fill_bytes_io,
    CACHED_PROPERTY: _fill_cached_property,
}
