"""Stand-ins for the interpreter processes of one job: each has its own environment and compiles the source anew."""

from __future__ import annotations

import builtins
import collections
import dataclasses
import enum
import functools
import re
import types
import typing
from collections.abc import Iterable, Mapping

from statek_executor.workspace import Baseline, Changes, Decoded, Definitions, Encoded, decode, encode
from statek_policies import Policy, Violation
from statek_policies.language import AbsentHost, build_environment, compile_batch

POLICY = Policy.load("default")


class QuietHost(AbsentHost):
    """A host that keeps what it is told."""

    def __init__(self) -> None:
        self.console = ""
        self.violations: list[Violation] = []

    def write(self, text: str) -> None:
        self.console += text

    def violation(self, violation: Violation) -> None:
        self.violations.append(violation)


class Process:
    """One interpreter of a job, which knows these batches by their sources."""

    def __init__(self, sources: Mapping[int, str] | None = None) -> None:
        self.sources = dict(sources or {})
        self.host = QuietHost()
        self.environment = build_environment(POLICY, self.host)
        self.globals = self.environment.globals
        self.definitions = Definitions(self.globals, self._load)
        self.withdrawn: set[str] = set()
        self.baseline = Baseline(self.definitions, self, self._find)

    def run(self, source: str) -> None:
        """Run a batch after all earlier ones."""
        batch = max(self.sources, default=-1) + 1
        self.sources[batch] = source
        code = self._load(batch)
        self.definitions.add(batch, code)
        exec(code, self.globals)

    def variables(self) -> dict[str, object]:
        return {name: value for name, value in self.globals.items() if name not in self.environment.reserved}

    def encode(self) -> Encoded:
        """Write all variables as one segment."""
        return encode(self.variables(), definitions=self.definitions, references=self)

    def restore(self, data: bytes) -> Decoded:
        return self.restore_all({1: data})

    def restore_all(self, segments: Mapping[int, bytes]) -> Decoded:
        """Take up variables, and begin to compare with them."""
        decoded = decode(segments, definitions=self.definitions, references=self, publish=self.globals.update)
        self.baseline.restore(decoded, segments)
        return decoded

    def divide(self) -> Changes:
        """Write all variables as the segments that they are stored in."""
        return Baseline(self.definitions, self, self._find).compare(None, {})

    def successor(self) -> Process:
        """Continue the job in another process, from nothing but bytes and the sources that the encoding asks for."""
        written = self.divide().written
        process = Process({batch: self.sources[batch] for part in written for batch in part.batches})
        assert process.restore_all({part.number: part.data for part in written}).transient == ()
        process.sources = dict(self.sources)
        return process

    def eval(self, expression: str) -> typing.Any:
        """Ask something about the variables, outside the guest's language."""
        libraries = {
            module.__name__: module for module in (collections, dataclasses, enum, functools, re, types, typing)
        }
        return eval(expression, {**libraries, **self.globals, "__builtins__": builtins})

    def _find(self, names: Iterable[str] | None) -> dict[str, object]:
        variables = self.variables()
        return variables if names is None else {name: variables[name] for name in names if name in variables}

    def reference(self, obj: object) -> str | None:
        return self.environment.reference(obj)

    def resolve(self, ref: str) -> object:
        if ref in self.withdrawn:
            raise KeyError(ref)
        return self.environment.resolve(ref)

    def _load(self, batch: int) -> types.CodeType:
        source = self.sources[batch].encode()
        return compile_batch(source, name=f"<batch {batch}>", policy=POLICY).code


def check(source: str, *expressions: str) -> Process:
    """Run a batch and continue twice in other processes: everything must be kept, and every expression be true."""
    process = Process()
    process.run(source)
    assert process.encode().transient == ()
    assert process.host.violations == []
    for _ in range(2):
        for expression in expressions:
            assert process.eval(expression) is True, expression
        process = process.successor()
    for expression in expressions:
        assert process.eval(expression) is True, expression
    return process
