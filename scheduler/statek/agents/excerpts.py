"""How a long text is shown in part: its beginning and its end, with a count of what lies between. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_SNAP: Final = 4
"""A cut moves to the end of a line if one lies within this fraction of the part that is kept."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """A text of which the middle may be missing; shortened again, it still tells how much of the whole is not there."""

    head: str
    tail: str = ""
    omitted_bytes: int = 0
    """Of the text in UTF-8."""

    def shortened(self, limit_bytes: int) -> Excerpt:
        """Return it with no more than that many bytes of the text; the marker of what is missing comes on top."""
        head, tail = self.head.encode(), self.tail.encode()
        if len(head) + len(tail) <= limit_bytes:
            return self
        kept_head = _head(head, limit_bytes - limit_bytes // 2)
        kept_tail = _tail(tail if self.omitted_bytes else head[len(kept_head) :] + tail, limit_bytes // 2)
        omitted = self.omitted_bytes + len(head) + len(tail) - len(kept_head) - len(kept_tail)
        return Excerpt(kept_head.decode(), kept_tail.decode(), omitted)

    def __str__(self) -> str:
        if not self.omitted_bytes:
            return self.head + self.tail
        before = "" if not self.head or self.head.endswith("\n") else "\n"
        return f"{self.head}{before}[... {self.omitted_bytes:,} bytes left out ...]\n{self.tail}"


def excerpt(text: str | bytes, limit_bytes: int) -> Excerpt:
    """Return the beginning and the end of a text; what is no UTF-8 in it becomes escapes, which any text can carry."""
    if isinstance(text, bytes):
        text = text.decode("utf-8", "backslashreplace")
    return Excerpt(sendable(text)).shortened(limit_bytes)


def sendable(text: str) -> str:
    """Return the text so that it has a form in UTF-8: lone surrogates become escapes."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def _head(data: bytes, size: int) -> bytes:
    """Cut after a whole character, and after a whole line if that costs little."""
    part = data[:size].decode("utf-8", "ignore").encode()
    line_end = part.rfind(b"\n") + 1
    return part[:line_end] if len(part) < len(data) and line_end > size - size // _SNAP else part


def _tail(data: bytes, size: int) -> bytes:
    part = data[len(data) - size :] if 0 < size < len(data) else data if size else b""
    part = part.decode("utf-8", "ignore").encode()
    line_start = part.find(b"\n") + 1
    return part[line_start:] if len(part) < len(data) and line_start < size // _SNAP else part
