"""Runs in a child: executes whatever Python it is sent, with everything imported that an attacker could wish for."""

from __future__ import annotations

import ctypes
import datetime
import decimal
import errno
import fcntl
import gc
import json
import mmap
import os
import platform
import random
import re
import resource
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
import traceback
from typing import Any

from statek_executor.isolation.lines import read_line, write_line

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.syscall.restype = ctypes.c_long
LIBC.mmap.restype = ctypes.c_void_p
LIBC.mmap.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_long)

GIFTS: dict[str, Any] = {
    module.__name__: module
    for module in (
        ctypes,
        datetime,
        decimal,
        errno,
        fcntl,
        gc,
        json,
        mmap,
        os,
        platform,
        random,
        re,
        resource,
        select,
        signal,
        socket,
        struct,
        subprocess,
        sys,
        threading,
        time,
        traceback,
    )
}


def syscall(number: int, *arguments: int) -> int:
    """A raw system call; raises OSError."""
    result: int = LIBC.syscall(ctypes.c_long(number), *(ctypes.c_long(value) for value in arguments))
    if result == -1:
        raise OSError(ctypes.get_errno(), "syscall")
    return result


def call_32_bit_table() -> int:
    """getpid by the call table of 32-bit programs (int 0x80), through code that was mapped before the filter."""
    return int(_INT80())


_CODE = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
_CODE.write(bytes.fromhex("b814000000cd80c3"))  # mov eax, 20 (__NR_getpid); int 0x80; ret
_INT80 = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(_CODE)))

SOFT_LIMIT_TEXT = "the soft limit"


def prepare() -> None:
    """As the interpreter does: handlers must be in place before the filter."""
    signal.signal(signal.SIGXCPU, _on_soft_limit)


def _on_soft_limit(number: int, frame: object) -> None:
    raise TimeoutError(SOFT_LIMIT_TEXT)


def serve(descriptor: int) -> None:
    """Run one program after another until the stream ends."""
    while line := read_line(descriptor):
        write_line(descriptor, _run(json.loads(line)), default=repr)


def _run(program: str) -> dict[str, object]:
    names: dict[str, Any] = {**GIFTS, "libc": LIBC, "syscall": syscall, "call_32_bit_table": call_32_bit_table}
    try:
        exec(compile(program, "<hostile>", "exec"), names)
    except BaseException as error:  # noqa: BLE001  # whatever the program did is its outcome
        number = getattr(error, "errno", None)
        name = errno.errorcode.get(number) if isinstance(number, int) else None
        return {
            "error": type(error).__name__,
            "errno": name,
            "text": "".join(traceback.format_exception(error))[-2000:],
        }
    return {"answer": names.get("answer")}
