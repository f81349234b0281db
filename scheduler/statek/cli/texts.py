"""Texts and JSON that operators give to a command: as an argument, from a file or from standard input."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final, NoReturn

from statek.cli.options import wrong_usage

STDIN: Final = "-"


def text_of(argument: str) -> str:
    """Return the argument, or what standard input has for `-`; what is no UTF-8 is wrong usage."""
    return _decoded(sys.stdin.buffer.read(), "standard input") if argument == STDIN else argument


def text_in(file: Path) -> str:
    """Return what a file says; one that cannot be read, or is no UTF-8, is wrong usage."""
    try:
        return _decoded(file.read_bytes(), str(file))
    except OSError as error:
        wrong_usage(f"{file} cannot be read: {error.strerror}")


def json_of(text: str, what: str) -> Any:
    """Read JSON as RFC 8259 has it, without NaN; what is none is wrong usage."""
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        wrong_usage(f"{what} is not JSON ({error}): write a text in quotes, as in '\"yes\"'")


def _decoded(data: bytes, where: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        wrong_usage(f"{where} is not UTF-8 (byte {error.start} is {data[error.start]:#04x})")


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")
