"""In which line of a TOML text each key is set, and each entry of a list: what tomllib knows and does not tell.

Only the shape of the text is read: tables, keys, strings, brackets. Whether it is TOML is for tomllib to say, so this
stops without a word at the first thing that it does not understand. It is also what bounds nesting: tomllib takes time
that grows with the square of a dotted key's length.
"""

import re
import tomllib
from bisect import bisect_left
from typing import Final

from statek_policies.errors import KeyPath

DEEPEST: Final = 16
"""Tables and lists inside one another; a policy needs two."""

# No possessive quantifiers: with groups CPython 3.11.2 matches them wrongly, and here there is one way to match only.
_BLANK: Final = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE: Final = re.compile(r"[ \t]*")
_BARE: Final = re.compile(r"[A-Za-z0-9_-]+")
_SCALAR: Final = re.compile(r"[^,\[\]{}#\n]*")
_SHORT_TEXT: Final = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'[^'\n]*'")
_LONG_TEXT: Final = re.compile(r"\"\"\"(?:[^\"\\]|\\.|\"\"?(?!\"))*\"{3,5}|'''(?:[^']|''?(?!'))*'{3,5}", re.DOTALL)


class TooDeep(Exception):
    """Keys or brackets are nested deeper than any policy needs, in this line."""

    def __init__(self, line: int) -> None:
        self.line = line
        super().__init__(line)


class _NotUnderstood(Exception):
    """The text is no TOML from here on, or none that this reader knows."""


def key_lines(text: str) -> dict[KeyPath, int]:
    """Return the line, from 1, where each key and each entry of a list is first set; raises TooDeep."""
    reader = _Reader(text.replace("\r\n", "\n"))
    try:
        reader.document()
    except _NotUnderstood:
        pass  # tomllib reads the same text and says what is wrong with it
    return reader.lines


class _Reader:
    def __init__(self, text: str) -> None:
        self.lines: dict[KeyPath, int] = {}
        self._text = text
        self._at = 0
        self._breaks = [found.start() for found in re.finditer("\n", text)]
        self._entries: dict[KeyPath, int] = {}
        """The number of tables so far in each list of tables."""

    def document(self) -> None:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self._at < len(self._text):
            if self._take("["):
                table = self._header()
            else:
                self._pair(table, 0)
            self._skip(_BLANK)

    def _header(self) -> KeyPath:
        """Read the heading of a table, or of the next table in a list of them."""
        in_list = self._take("[")
        start = self._at
        path = self._keys(())
        self._expect("]")
        if in_list:
            self._expect("]")
            index = self._entries.get(path, -1) + 1
            self._entries[path] = index
            path = (*path, index)
        self._note_all(path, 0, start)
        return path

    def _pair(self, table: KeyPath, depth: int) -> None:
        start = self._at
        path = self._keys(table)
        self._note_all(path, len(table), start)
        self._expect("=")
        self._value(path, depth)

    def _keys(self, table: KeyPath) -> KeyPath:
        """Read a dotted key; a list of tables in its way stands for its last table."""
        path = table
        for _ in range(DEEPEST):
            path = (*path, self._key())
            self._skip(_SPACE)
            if not self._take("."):
                return path
            if path in self._entries:
                path = (*path, self._entries[path])
        raise TooDeep(self._line(self._at))

    def _key(self) -> str:
        self._skip(_SPACE)
        bare = _BARE.match(self._text, self._at)
        if bare is not None:
            self._at = bare.end()
            return bare[0]
        return _read(self._skip(_SHORT_TEXT))

    def _value(self, path: KeyPath, depth: int) -> None:
        self._skip(_SPACE)
        if depth >= DEEPEST:
            raise TooDeep(self._line(self._at))
        if self._take("["):
            self._list(path, depth + 1)
        elif self._take("{"):
            self._inline_table(path, depth + 1)
        elif self._text.startswith(('"""', "'''"), self._at):
            self._skip(_LONG_TEXT)
        elif self._text.startswith(('"', "'"), self._at):
            self._skip(_SHORT_TEXT)
        else:
            self._skip(_SCALAR)

    def _list(self, path: KeyPath, depth: int) -> None:
        index = 0
        self._skip(_BLANK)
        while not self._take("]"):
            self._note((*path, index), self._at)
            self._value((*path, index), depth)
            self._skip(_BLANK)
            if not self._take(","):
                self._expect("]")
                return
            self._skip(_BLANK)
            index += 1

    def _inline_table(self, path: KeyPath, depth: int) -> None:
        self._skip(_SPACE)
        if self._take("}"):
            return
        while True:
            self._pair(path, depth)
            self._skip(_SPACE)
            if not self._take(","):
                self._expect("}")
                return

    def _note_all(self, path: KeyPath, known: int, start: int) -> None:
        for length in range(known + 1, len(path) + 1):
            self._note(path[:length], start)

    def _note(self, path: KeyPath, start: int) -> None:
        self.lines.setdefault(path, self._line(start))

    def _line(self, at: int) -> int:
        return bisect_left(self._breaks, at) + 1

    def _skip(self, pattern: re.Pattern[str]) -> str:
        found = pattern.match(self._text, self._at)
        if found is None:
            raise _NotUnderstood
        self._at = found.end()
        return found[0]

    def _take(self, mark: str) -> bool:
        if not self._text.startswith(mark, self._at):
            return False
        self._at += len(mark)
        return True

    def _expect(self, mark: str) -> None:
        self._skip(_SPACE)
        if not self._take(mark):
            raise _NotUnderstood


def _read(quoted: str) -> str:
    """Let tomllib say what a quoted key means."""
    try:
        value: str = tomllib.loads(f"key = {quoted}")["key"]
    except tomllib.TOMLDecodeError:
        raise _NotUnderstood from None
    return value
