"""Which objects may a guest be given a handle to? A closed rule, and the sentence for what it refuses.

A handle gives away every public member of the object, and whatever these return. So it is given for objects of which
somebody decided what is public: of dbzero's classes and the application's own. What is imported from the standard
library or an installed package is not among them (a file, a logger, a database engine, a module), nor is what Python's
own machinery is made of (functions, classes, frames, generators, exceptions), whatever attribute leads there. An
application that means to hand out such objects names their classes in its list `classes`.
"""

from __future__ import annotations

import functools
import io
import sys
import sysconfig
import types
from pathlib import Path
from typing import Any, Final

from statek.store.containers import HEAP_TYPE
from statek_protocol.values import type_name

_OURS: Final = frozenset({"statek", "statek_protocol", "statek_policies"})
_HARMLESS: Final = frozenset({types.SimpleNamespace})
"""Classes of the standard library that are nothing but their public attributes."""

_MACHINERY: Final[dict[type, str]] = {
    types.ModuleType: "a module",
    types.FunctionType: "a function",
    types.BuiltinFunctionType: "a function",
    types.MethodType: "a method",
    functools.partial: "a function",
    types.GeneratorType: "a generator",
    types.CoroutineType: "a coroutine",
    types.AsyncGeneratorType: "an asynchronous generator",
    types.FrameType: "a frame",
    types.CodeType: "code",
    types.TracebackType: "a traceback",
    type: "a class",
    BaseException: "an exception",
    io.IOBase: "a file",
}
_WAYS_OUT: Final[dict[str, str]] = {
    "a function": "offer it as a tool",
    "a method": "let the guest call it on its object",
    "a generator": "return a list",
    "a coroutine": "offer the async function as a tool of its own",
    "an iterator": "return a list",
    "an exception": "raise it, or return its text",
}


def objection(obj: object, declared: frozenset[type]) -> str | None:
    """Say why no handle is given to an object that is not of dbzero; None when one may be.

    `declared` are the classes that the application named.
    """
    cls: Any = type(obj)
    machinery = next((shown for kind, shown in _MACHINERY.items() if issubclass(cls, kind)), None)
    if machinery is None and any("__next__" in vars(above) for above in cls.__mro__):
        machinery = "an iterator"
    if machinery is not None:
        return f"{machinery} cannot cross: {_WAYS_OUT.get(machinery, 'return what it holds as plain values')}"
    if cls in declared or cls in _HARMLESS or is_application_class(cls):
        return None
    return (
        f"a {type_name(obj)} cannot cross, because its class is not the application's: return plain values, or an "
        f"object of a class of your own; or name the class in the application's list `classes`"
    )


@functools.lru_cache(maxsize=4096)
def is_application_class(cls: type) -> bool:
    """Tell whether a class is written in Python, by neither the standard library, an installed package nor us."""
    module = vars(cls).get("__module__")
    if type(module) is not str or not cls.__flags__ & HEAP_TYPE:
        return False
    top = module.partition(".")[0]
    if top == "__main__":
        return True
    return top not in sys.stdlib_module_names and top not in _OURS and not _is_installed(module)


def _is_installed(module: str) -> bool:
    """Tell whether a module was installed, and not written beside the application's file."""
    file = getattr(sys.modules.get(module), "__file__", None)
    return type(file) is str and any(Path(file).is_relative_to(place) for place in _INSTALLED)


_INSTALLED: Final = tuple(
    {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    | {Path(place) for place in sys.path if place.endswith(("site-packages", "dist-packages"))}
)
