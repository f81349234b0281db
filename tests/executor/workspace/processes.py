"""Stand-ins for the interpreter processes of one job: each has its own globals and compiles the source anew."""

from __future__ import annotations

import ast
import builtins
import collections
import dataclasses
import enum
import functools
import json
import math
import re
import types
import typing
from collections.abc import Mapping

from statek_executor.workspace import Decoded, Definitions, Encoded, decode, encode

MODULES = {
    module.__name__: module for module in (collections, dataclasses, enum, functools, json, math, re, types, typing)
}


class Names:
    """Everything public of a few modules, by name, as an environment of the policies would hand it out."""

    def __init__(self) -> None:
        self._objects: dict[str, object] = {}
        for module in (builtins, *MODULES.values()):
            for name, value in vars(module).items():
                if not name.startswith("_"):
                    self._objects.setdefault(f"{module.__name__}.{name}", value)
        self._objects |= MODULES
        self._objects.pop("builtins.Ellipsis", None)
        self._names = {id(value): name for name, value in reversed(self._objects.items())}
        self.withdrawn: set[str] = set()

    def reference(self, obj: object) -> str | None:
        return None if isinstance(obj, bool | int | str | float | None) else self._names.get(id(obj))

    def resolve(self, ref: str) -> object:
        if ref in self.withdrawn:
            raise KeyError(ref)
        return self._objects[ref]


class Process:
    """One interpreter of a job whose batches have these sources."""

    def __init__(self, sources: Mapping[int, str]) -> None:
        self.sources = dict(sources)
        self.globals: dict[str, object] = {"__name__": "__main__", "__builtins__": builtins, **MODULES}
        self.own = set(self.globals)
        self.definitions = Definitions(self.globals, self._load)
        self.names = Names()

    def run(self, source: str, batch: int | None = None) -> None:
        """Run a batch: every top-level statement is one instruction."""
        batch = len(self.sources) if batch is None else batch
        self.sources[batch] = source
        instructions = self._load(batch)
        self.definitions.add(batch, instructions)
        for code in instructions:
            exec(code, self.globals)

    def variables(self) -> dict[str, object]:
        return {name: value for name, value in self.globals.items() if name not in self.own}

    def encode(self, **extra: object) -> Encoded:
        return encode(self.variables(), definitions=self.definitions, references=self.names, extra=extra)

    def restore(self, data: bytes) -> Decoded:
        decoded = decode(data, definitions=self.definitions, references=self.names)
        self.globals.update(decoded.variables)
        return decoded

    def successor(self, **extra: object) -> Process:
        """Continue the job in another process, from nothing but bytes and sources."""
        encoded = self.encode(**extra)
        process = Process({batch: self.sources[batch] for batch in encoded.batches})
        process.sources |= {batch: "" for batch in self.sources if batch not in encoded.batches}
        process.restore(encoded.data)
        return process

    def eval(self, expression: str) -> typing.Any:
        return eval(expression, self.globals)

    def _load(self, batch: int) -> list[types.CodeType]:
        tree = ast.parse(self.sources[batch])
        return [compile(ast.Module([node], []), f"<batch {batch}>", "exec", dont_inherit=True) for node in tree.body]


def continued(source: str) -> Process:
    """Run a batch and continue in another process; everything must have been kept."""
    process = Process({})
    process.run(source)
    assert process.encode().transient == ()
    return process.successor()
