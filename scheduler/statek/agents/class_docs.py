"""Which of an application's classes will a model's code meet, and what is said of them?

Objects come out of variables and out of tools, and out of one another: what their classes are is read from the
annotations of functions and of the classes themselves, and from what a constructor names. Only classes are looked at,
never an object: it may belong to another thread, and its values are nobody's business.
"""

from __future__ import annotations

import dis
import inspect
import itertools
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

from statek.agents.workspaces import Documented, annotation_text, parameters, summary_of
from statek.audit.escaping import shortened

MOST_CLASSES: Final = 30
_METHOD_CHARACTERS: Final = 120
"""Of what a method's author wrote about it."""
_MOST_MEMBERS: Final = 40
"""Of one class."""

Offers: typing.TypeAlias = Callable[[str, str], bool]
"""Tells, by the names of a class and of a member, whether code may use the member."""


def document_classes(
    objects: Iterable[object],
    functions: Iterable[Callable[..., Any]],
    *,
    is_object: Callable[[type], bool],
    offers: Offers,
) -> tuple[Documented, ...]:
    """Describe the classes that are met from objects (by type) and functions (in annotations), the nearest first.

    `is_object` tells of which classes code can have objects; others, like dict, it knows.
    """
    found: dict[type, None] = {}
    in_hints = itertools.chain.from_iterable(map(_in_hints, functions))
    waiting = list(filter(is_object, (*map(type, objects), *in_hints)))
    while waiting and len(found) < MOST_CLASSES:
        cls = waiting.pop(0)
        if cls not in found:
            found[cls] = None
            waiting.extend(met for met in _met(cls, offers) if is_object(met))
    return tuple(_documented(cls, offers) for cls in found)


def _met(cls: type, offers: Offers) -> Iterator[type]:
    """Give the classes that a class's annotations and its constructor name."""
    yield from _in_hints(cls)
    constructor = vars(cls).get("__init__")
    if inspect.isfunction(constructor):
        named = (constructor.__globals__.get(name) for name in _named_in(constructor.__code__))
        yield from (met for met in named if isinstance(met, type))
    for _, member in _members(cls, offers):
        yield from _in_hints(member.fget if isinstance(member, property) else member)


def _named_in(code: types.CodeType) -> Iterator[str]:
    """Give the global names of a function's code, those of its comprehensions and lambdas too."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from _named_in(constant)


def _in_hints(annotated: object) -> Iterator[type]:
    try:
        hints = typing.get_type_hints(annotated)
    except Exception:  # noqa: BLE001 - an annotation is an expression of the application's, and may fail in any way
        return
    for hint in hints.values():
        yield from _classes(hint)


def _classes(hint: Any) -> Iterator[type]:
    if isinstance(hint, type) and not typing.get_args(hint):
        yield hint
    for part in typing.get_args(hint):
        yield from _classes(part)


def _documented(cls: type, offers: Offers) -> Documented:
    attributes = [f".{name}{text}" for name, text in _attributes(cls).items() if offers(cls.__name__, name)]
    methods = [_method(name, member) for name, member in _members(cls, offers) if not isinstance(member, property)]
    lines = [summary_of(cls), ", ".join(attributes), *methods]
    return Documented(cls.__name__, cls.__name__, "\n".join(filter(None, lines)))


def _method(name: str, function: Callable[..., Any]) -> str:
    summary = shortened(summary_of(function), _METHOD_CHARACTERS)
    return f".{name}{parameters(function, bound=True)}{f'  # {summary}' if summary else ''}"


def _members(cls: type, offers: Offers) -> list[tuple[str, Any]]:
    """List the public methods and properties of a class that code may use."""
    members = inspect.getmembers_static(cls, lambda member: inspect.isfunction(member) or isinstance(member, property))
    public = [(name, member) for name, member in members if not name.startswith("_") and offers(cls.__name__, name)]
    return public[:_MOST_MEMBERS]


def _attributes(cls: type) -> dict[str, str]:
    """Give the public attributes of a class's objects, each with its annotation if it has one, in their order."""
    found: dict[str, str] = {}
    for above in reversed(cls.__mro__):
        for name in _set_by(vars(above).get("__init__")):
            found.setdefault(name, "")
        for name, hint in inspect.get_annotations(above).items():
            found[name] = f": {annotation_text(hint)}"
        for name, member in vars(above).items():
            if isinstance(member, property):
                found[name] = _returned(member)
    return dict([(name, text) for name, text in found.items() if not name.startswith("_")][:_MOST_MEMBERS])


def _set_by(function: object) -> Iterator[str]:
    """Give the names that a constructor sets on its object, in their order."""
    if not inspect.isfunction(function) or not function.__code__.co_varnames:
        return
    before: dis.Instruction | None = None
    for instruction in dis.get_instructions(function):
        on_itself = before is not None and before.argval == function.__code__.co_varnames[0]
        if instruction.opname == "STORE_ATTR" and on_itself:
            yield instruction.argval
        before = instruction


def _returned(member: property) -> str:
    hint = inspect.get_annotations(member.fget).get("return") if member.fget is not None else None
    return f": {annotation_text(hint)}" if hint is not None else ""
