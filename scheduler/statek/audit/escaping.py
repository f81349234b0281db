"""How text that somebody else chose is shown to people: always as visible characters, never obeyed by what shows it.

A guest chooses error messages, tool names and variable names; a client chooses job names; an executor chooses its own.
A terminal obeys control characters, a reader is misled by characters that turn the direction of writing round, that
cannot be seen, or that pile up over the neighbouring lines. All of these are shown as Python would write them in a
literal. Whatever is printed for people goes through here; JSON output does not need it, as it is all ASCII.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Final

MARKS_IN_A_ROW: Final = 2
"""Combining marks after one character that writing systems need; more would cover other lines."""

_INVISIBLE: Final = frozenset(
    "\u115f\u1160\u3164\uffa0"  # Hangul fillers, which count as letters
    "\u2800"  # the braille pattern without a dot
    "\u034f\u17b4\u17b5"  # marks that draw nothing
    "\u180b\u180c\u180d\u180f"
) | frozenset(map(chr, (*range(0xFE00, 0xFE10), *range(0xE0100, 0xE01F0))))  # variation selectors
"""What `str.isprintable` lets through though nothing is drawn (Default_Ignorable_Code_Point of Unicode's DerivedCore
Properties, and one that is merely empty)."""

_PLAIN: Final = re.compile(r"[A-Za-z0-9_.:/@+*-]+")
"""A value that needs no quotation marks to be told from what stands beside it."""


def shown(text: str, *, keep: str = "") -> str:
    """Return the text with every character escaped that is not simply seen, except for those in `keep`.

    The result is printable as `str.isprintable` has it, apart from `keep`; honest text comes back as it is.
    """
    if text.isascii() and text.isprintable():
        return text
    marks = 0
    result = []
    for char in text:
        marks = marks + 1 if unicodedata.category(char) in ("Mn", "Me") else 0
        seen = char.isprintable() and char not in _INVISIBLE and marks <= MARKS_IN_A_ROW
        result.append(char if seen or char in keep else _escaped(char))
    return "".join(result)


def quoted(text: str) -> str:
    """Return the text so that it can stand among others: in quotation marks unless it is a plain word.

    No text can look like two values, like another field, or like the end of its own quotation.
    """
    if _PLAIN.fullmatch(text):
        return text
    return shown(json.dumps(text, ensure_ascii=False))


def shortened(text: str, characters: int) -> str:
    """Cut a text to that many characters; what was cut is counted."""
    if len(text) <= characters:
        return text
    return f"{text[:characters]}… ({len(text)} characters)"


def _escaped(char: str) -> str:
    """Write a character as a literal would."""
    if char.isascii() or not char.isprintable():
        return char.encode("unicode_escape").decode()
    code = ord(char)
    return f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"
