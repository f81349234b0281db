"""What must not stand in a log: secrets that are known, and whatever looks like one.

Known are the values of secret settings and what any part has told `hide`. Keys also come from places that nobody told
of: in the text of a provider's error, in the address that a tool called, in the traceback of a library. So what has the
form of a key, of a token or of a credential in an address or a header is taken out as well.

Every handler of ours has the same filter, `Redaction`, which does it to the message with its arguments, to the fields
beside it, and to the texts of an exception and of those that it came from. An application that brings handlers of its
own adds it to them.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import quote

MASK: Final = "********"
SHORTEST: Final = 8
"""Characters of a known secret. A shorter one, as local servers take ("none", "x"), would be found in other words."""


@dataclass(frozen=True, slots=True)
class _Form:
    """What a kind of secret looks like. Group 1 is what stands before it and is kept.

    A text is looked through only if it has one of the `marks`, whatever their case: most have none. No pattern begins
    again within what it has looked through in vain, but for a bounded part, so that time grows with the text and no
    faster.
    """

    marks: tuple[str, ...]
    pattern: re.Pattern[str]


_FORMS: Final = (
    _Form(("authorization",), re.compile(r"""(?i)(authorization["']? *[:=] *["']?)(?:[a-z]+ +)?[^\s"',;}\])]+""")),
    _Form(("bearer",), re.compile(r"(?i)(\bbearer +)[\w.~+/=-]{8,}")),
    _Form(("basic", "token"), re.compile(r"(?i)(\b(?:basic|token) +)[\w.~+/=-]{16,}")),
    _Form(
        ("key", "secret", "passw", "token"),
        re.compile(
            r"(?i)((?:api[_-]?key|access[_-]?key|secret(?:[_-]?key)?|passw(?:or)?d|token)"
            r"""["']? *[:=] *["']?)[^\s"',;&}\])]{6,}"""
        ),
    ),
    _Form(("://",), re.compile(r"(?i)(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/@:]{0,200}:[^\s/@]{1,500}(?=@)")),
    _Form(("sk-", "pk-", "rk-"), re.compile(r"(?<![\w-])()[spr]k-[\w-]{12,}")),
    _Form(("gh", "glpat-"), re.compile(r"(?<![\w-])()(?:gh[pousr]_|github_pat_|glpat-)[\w-]{12,}")),
    _Form(("hf_", "gsk_", "aiza", "akia", "asia"), re.compile(r"(?<![\w-])()(?:hf_|gsk_|AIza|AKIA|ASIA)[\w-]{12,}")),
    _Form(("statek_",), re.compile(r"(?<![\w-])()statek_[\w-]{32,}")),
    _Form(("xox",), re.compile(r"(?<![\w-])()xox[abposr]-[\w-]{10,}")),
    _Form(("eyj",), re.compile(r"(?<![\w-])()eyJ[\w-]{8,}\.[\w-]{8,}\.[\w-]*")),
    _Form(
        ("private key",),
        re.compile(r"()-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,40}PRIVATE KEY-----)?"),
    ),
)

_MARKS: Final = tuple({mark for form in _FORMS for mark in form.marks})

_OWN_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {
    "message",
    "asctime",
    "redacted",
    "color_message",
}
"""What every record has, and uvicorn's second form of a message; what is beside them came with `extra`."""


class _Known:
    """The secrets that were told, with the other forms in which text carries them."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._forms: frozenset[str] = frozenset()
        self.pattern: re.Pattern[str] | None = None

    def add(self, secret: str) -> None:
        """Take up a secret; one of several lines also line by line, as a traceback sets each line off."""
        lines = {text for text in (secret, *secret.splitlines()) if len(text) >= SHORTEST}
        if not lines:
            return
        with self._lock:
            for text in lines:
                self._forms |= {
                    text,
                    quote(text, safe="", errors="surrogatepass"),
                    repr(text)[1:-1],
                    json.dumps(text)[1:-1],
                }
            longest_first = sorted(self._forms, key=len, reverse=True)
            self.pattern = re.compile("|".join(map(re.escape, longest_first)))


_KNOWN: Final = _Known()


def hide(secret: str) -> None:
    """Keep this text out of all logs of this process from now on, unless it is shorter than 8 characters."""
    _KNOWN.add(secret)


def redacted(text: str) -> str:
    """Return the text with a mask in the place of each secret."""
    if _KNOWN.pattern is not None:
        text = _KNOWN.pattern.sub(MASK, text)
    lowered = text.lower()
    if not any(map(lowered.__contains__, _MARKS)):
        return text
    for form in _FORMS:
        if any(map(lowered.__contains__, form.marks)):
            text = form.pattern.sub(rf"\1{MASK}", text)
    return text


class Redaction(logging.Filter):
    """Takes the secrets out of a record before a handler sees it; lets every record through."""

    def filter(self, record: logging.LogRecord) -> bool:
        if not getattr(record, "redacted", False):
            try:
                _redact(record)
            except Exception as error:  # noqa: BLE001 - an exception or a value that resists being written down
                _empty(record, f"a record that cannot be redacted ({type(error).__name__}) is not shown")
            record.redacted = True
        return True


def _redact(record: logging.LogRecord) -> None:
    template = record.msg if isinstance(record.msg, str) else type(record.msg).__name__
    record.msg = redacted(_text(record.getMessage, template))
    record.args = ()
    if record.exc_info:
        record.exc_text = "".join(traceback.format_exception(*record.exc_info)).removesuffix("\n")
        record.exc_info = None  # a formatter that finds none takes the text
    if record.exc_text:
        record.exc_text = redacted(record.exc_text)
    if record.stack_info:
        record.stack_info = redacted(record.stack_info)
    for name, value in extras(record).items():
        if not isinstance(value, (int, float, type(None))):
            setattr(record, name, redacted(_text(partial(str, value), type(value).__name__)))


def _empty(record: logging.LogRecord, said: str) -> None:
    record.msg, record.args = said, ()
    record.exc_info = record.exc_text = record.stack_info = None
    for name in extras(record):
        delattr(record, name)


def extras(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields that came with `extra`."""
    return {name: value for name, value in vars(record).items() if name not in _OWN_ATTRIBUTES}


def _text(write: Callable[[], str], otherwise: str) -> str:
    """Write something down; a log must not fail its writer, whatever an argument's own __str__ raises."""
    try:
        return write()
    except Exception as error:  # noqa: BLE001
        return f"{otherwise} (cannot be written with its values: {type(error).__name__})"
