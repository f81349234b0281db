"""How a model is told where its code runs: what stays, what it can call, what it finds, what there is not. Pure."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from statek.agents.excerpts import sendable
from statek.agents.transcript import Style
from statek.audit.escaping import shortened

_SIGNATURE_CHARACTERS: Final = 400
_SUMMARY_CHARACTERS: Final = 600
_PENDING: Final = "FutureResult"
_WAITING: Final = f"A {_PENDING} may take long to be there. Use it like the value itself: your code waits for it."
CLASSES_BYTES: Final = 8_192
"""Of all classes' descriptions together."""
_GIVEN_BY_US: Final = frozenset({"idempotency_key"})
"""Parameters of tools that the scheduler fills in; no guest passes them."""
_MODULES: Final = re.compile(r"\b(?:\w+\.)+(?=\w)")
_WRITTEN_OUT: Final = (bool, int, float, str, type(None))
"""Types of defaults that are shown; the text of any other object may tell of the host."""

_PLACES: Final[dict[Style, str]] = {
    "fenced": (
        "Write Python in a fenced block that begins with ```python. All such blocks of one reply are joined in their "
        "order and run as one piece of code; blocks of another language are not run."
    ),
    "tool": (
        "Run Python by calling the tool `python`. Several calls in one reply run in their order; after one that fails "
        "the rest is not run."
    ),
}

_RULES: Final = """\
You work in a Python 3.11 workspace that is yours alone.
{place} You are told what it printed, and what went wrong; then it is your turn again.
- Variables, functions, classes and imports stay from one piece of code to the next.
- Print what you want to see; nothing is shown by itself. Long output is cut in its middle.
- When the task is done, call exit("the result in a few words"). That ends the work.
- There are no files, no network, no processes, no pip, and no async. Use what is listed here.\
"""


@dataclass(frozen=True, slots=True)
class Documented:
    """Something that the code finds under a name: what is written to use it, and what it is."""

    name: str
    signature: str
    summary: str = ""


@dataclass(frozen=True, slots=True)
class Workspace:
    """What a job's code has beside the language itself."""

    tools: tuple[Documented, ...] = ()
    variables: tuple[Documented, ...] = ()
    classes: tuple[Documented, ...] = ()
    """Those of the application whose objects it can meet."""
    modules: tuple[str, ...] = ()
    """Those that it can import."""


def preamble(workspace: Workspace, style: Style) -> str:
    """Return the part of the system message that is the same for all tasks of an agent."""
    parts = [_RULES.format(place=_PLACES[style])]
    if workspace.modules:
        parts.append(f"Modules that can be imported: {', '.join(workspace.modules)}.")
    else:
        parts.append("No module can be imported.")
    if workspace.tools:
        parts.append(_listed("Functions that are there without an import:", workspace.tools))
        if any(_PENDING in tool.signature for tool in workspace.tools):
            parts.append(_WAITING)
    if workspace.variables:
        parts.append(_listed("Variables that are there:", workspace.variables))
    if workspace.classes:
        parts.append(_classes(workspace.classes))
    return sendable("\n\n".join(parts))


def document_tool(name: str, function: Callable[..., Any]) -> Documented:
    """Describe a tool as its caller sees it: its parameters, without those that the scheduler fills in."""
    signature = f"{name}{parameters(function)}"
    return Documented(name, shortened(signature, _SIGNATURE_CHARACTERS), summary_of(function))


def document_variable(name: str, value: object) -> Documented:
    """Describe a variable by its type, and never by its value."""
    return Documented(name, f"{name}: {type(value).__name__}")


def _classes(classes: tuple[Documented, ...]) -> str:
    """Describe as many classes as there is room for, and say how to find out about the others."""
    shown: list[Documented] = []
    room = CLASSES_BYTES
    for entry in classes:
        room -= len(entry.summary.encode("utf-8", "backslashreplace"))
        if room < 0:
            break
        shown.append(entry)
    text = _listed("Classes of the objects that you meet (dir(x) lists what an object offers):", tuple(shown))
    left_out = ", ".join(entry.name for entry in classes[len(shown) :])
    return f"{text}\n- also: {left_out}" if left_out else text


def _listed(title: str, entries: tuple[Documented, ...]) -> str:
    lines = [title]
    for entry in entries:
        lines.append(f"- {entry.signature}")
        lines.extend(f"    {line}" for line in entry.summary.splitlines())
    return "\n".join(lines)


def parameters(function: Callable[..., Any], *, bound: bool = False) -> str:
    """Write the parameters and the result of a function; of a method without the object itself."""
    try:
        signature = inspect.signature(function)
    except (ValueError, TypeError):  # a function of C that does not tell its parameters
        return "(...)"
    parameters = list(signature.parameters.values())[1 if bound else 0 :]
    kept = [_shown(parameter) for parameter in parameters if parameter.name not in _GIVEN_BY_US]
    return str(signature.replace(parameters=kept, return_annotation=_annotation(signature.return_annotation)))


def _shown(parameter: inspect.Parameter) -> inspect.Parameter:
    """Show defaults that are constants; of any other only that there is one."""
    default = parameter.default
    if default is not inspect.Parameter.empty and type(default) not in _WRITTEN_OUT:
        default = _Text("...")
    return parameter.replace(default=default, annotation=_annotation(parameter.annotation))


def annotation_text(annotation: object) -> str:
    """Name a type as a guest does, without the modules in which the application has it."""
    return _MODULES.sub("", annotation if isinstance(annotation, str) else inspect.formatannotation(annotation))


def _annotation(annotation: object) -> object:
    return annotation if annotation is inspect.Parameter.empty else _Text(annotation_text(annotation))


class _Text:
    """Stands in a signature for an object, as this text."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def summary_of(documented: object) -> str:
    """Return the first paragraph of what its author wrote about it; nothing where the words are a base class's."""
    text = inspect.cleandoc(getattr(documented, "__doc__", None) or "")
    first = text.partition("\n\n")[0]
    return shortened(" ".join(first.split()), _SUMMARY_CHARACTERS)
