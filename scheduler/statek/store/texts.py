"""How a text is kept in dbzero, which cuts a str at its first NUL and refuses lone surrogates: as bytes."""

from __future__ import annotations


class Text:
    """Reads a text that is kept as bytes in an attribute of another name."""

    def __init__(self, kept_in: str) -> None:
        self._kept_in = kept_in

    def __get__(self, instance: object, owner: type) -> str:
        return to_text(getattr(instance, self._kept_in))


def to_bytes(text: str) -> bytes:
    """Make of a text what dbzero keeps unchanged: NULs and lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def to_text(data: bytes) -> str:
    """Read what `to_bytes` or a guest's console made; bytes that are no text become backslash escapes."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "backslashreplace")
