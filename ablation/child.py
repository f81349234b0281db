"""Runs in a child: executes the program that it is sent, with everything at hand that an attacker could wish for.

An order is one line of JSON, {"program": text, "loot": where things are planted, "language": the layers of it that
stand}. The answer is one line too: {"answer": ...} or {"error": ...}. Whoever has native code needs no language layer
to be gone; a guest program meets those that the order names.
"""

from __future__ import annotations

import builtins
import copy
import copyreg
import ctypes
import errno
import importlib
import json
import mmap
import os
import platform
import resource
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable
from types import CodeType
from typing import Any, Final

from statek_executor.isolation.lines import read_line, write_line
from statek_executor.isolation.seccomp import CHILD_FD
from statek_policies import Policy, Violation
from statek_policies.language import build_environment, compile_batch, nodes, preload

_MODULES: Final = (ctypes, errno, json, mmap, os, resource, signal, socket, struct, sys, time)
LIBC: Final = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)
LIBC.shmat.restype = ctypes.c_void_p

_NUMBERS: Final = {
    "execveat": (322, 281),
    "keyctl": (250, 219),
    "pidfd_getfd": (438, 438),
    "pidfd_open": (434, 434),
    "pidfd_send_signal": (424, 424),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "unshare": (272, 97),
}


def warm_up() -> None:
    """In the launcher: build what the language needs while there still are files."""
    preload()


def call(name: str, *arguments: int | bytes | ctypes.Array[Any]) -> int:
    """Make a system call past every library; raises OSError."""
    number = _NUMBERS[name][platform.machine() != "x86_64"]
    words = (ctypes.c_long(value) if isinstance(value, int) else value for value in arguments)
    result: int = LIBC.syscall(ctypes.c_long(number), *words)
    if result == -1:
        raise OSError(ctypes.get_errno(), name)
    return result


def remote_memory(operation: str, pid: int, address: int, data: ctypes.Array[ctypes.c_char]) -> None:
    """Read or write another process's memory; raises OSError."""
    here = struct.pack("QQ", ctypes.addressof(data), len(data))
    there = struct.pack("QQ", address, len(data))
    call(operation, pid, ctypes.create_string_buffer(here), 1, ctypes.create_string_buffer(there), 1, 0)


def serve(descriptor: int) -> None:
    """Run one program after another until the stream ends."""
    while line := read_line(CHILD_FD):
        order = json.loads(line)
        language = frozenset(order["language"])
        run = _native if order["native"] else _guest
        try:
            answer = {"answer": run(order["program"], order["loot"], language)}
        except BaseException as error:  # noqa: BLE001  # whatever the program did is its outcome
            answer = {"error": f"{type(error).__name__}: {error}"[:500]}
        write_line(CHILD_FD, answer, default=repr)


def _native(program: str, loot: dict[str, Any], language: frozenset[str]) -> object:
    tools: dict[str, object] = {"libc": LIBC, "call": call, "remote_memory": remote_memory, "loot": loot}
    names = {module.__name__: module for module in _MODULES} | tools
    exec(compile(program, "<attacker>", "exec"), names)  # noqa: S102  # what it is for
    return names.get("answer")


class _Host:
    """What a guest program prints is its answer; a refusal while it runs is one too."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.refused: list[str] = []

    def write(self, text: str) -> None:
        self.said.append(text)

    def time_ns(self) -> int:
        return time.time_ns()

    def monotonic_ns(self) -> int:
        return time.monotonic_ns()

    def entropy(self, size: int) -> bytes:
        return bytes(size)

    def sleep(self, seconds: float) -> None:
        """Go on at once."""

    def violation(self, violation: Violation) -> None:
        self.refused.append(violation.rule)


def _guest(program: str, loot: dict[str, Any], language: frozenset[str]) -> object:
    """Run a guest program with those layers of the language that stand."""
    host = _Host()
    environment = build_environment(Policy(), host)
    source = program.replace("LOOT", repr(loot["public_file"]))
    names = environment.globals
    if "runtime" not in language:
        names["__builtins__"] = _unguarded(names["__builtins__"], host)
        vars(copy)["dispatch_table"] = copyreg.dispatch_table  # the language's own asks no guest for its reducer
    try:
        exec(_compiled(source, guarded="compile" in language), names)  # noqa: S102
    except Exception as error:  # noqa: BLE001  # it is part of what the program brought home
        host.said.append(f"{type(error).__name__}: {error}")
    return {"said": "".join(host.said), "refused": host.refused}


def _compiled(source: str, *, guarded: bool) -> CodeType:
    if guarded:
        return compile_batch(source.encode(), name="<guest>", policy=Policy()).code
    code: CodeType = compile(source, "<guest>", "exec")
    return code


class _Everything:
    """Contains whatever it is asked about: every type is the guest's own."""

    def __contains__(self, value: object) -> bool:
        return True


def _unguarded(guarded: object, host: _Host) -> dict[str, object]:
    """Python's own built-ins, and in each guard's place one that lets everything through."""
    assert isinstance(guarded, dict)
    passing: dict[str, Callable[..., object]] = {
        nodes.WRITE: _let_through,
        nodes.PRIVATE: _let_through,
        nodes.LOAD: lambda value, **evidence: getattr(value, evidence[nodes.NAME]),
        nodes.IMPORT: importlib.import_module,
        nodes.IMPORT_FROM: lambda module, name: getattr(importlib.import_module(module), name),
    }
    kept = {name: value for name, value in guarded.items() if name.startswith("@")}
    said: dict[str, object] = {"print": lambda *words, **_: host.said.append(" ".join(map(str, words)) + "\n")}
    return {**vars(builtins), **kept, **passing, **said, nodes.GUESTS: _Everything()}


def _let_through(value: object, **_evidence: str) -> object:
    return value
