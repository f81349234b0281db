"""How much work does a source make for CPython's parser, beyond what its length says?

CPython 3.11 looks for each field of an f-string from the beginning of the string: fields times length. A single string
of 200 kB takes it many seconds, in C, where no signal gets through. For each part of a dotted name in an import it
makes all of the name before it anew, and keeps it. So both are looked at before they are parsed.
"""

import io
import re
import tokenize

from statek_policies.language.errors import SourceInvalid

_MOST_WORK = 1_000_000_000
"""Fields times characters of one f-string: about 0.4 s of parsing."""

_MOST_PARTS = 100
"""Parts of the dotted name of a module."""

_DOTTED = r"(?:[\s\\]*[^\W\d]\w*[\s\\]*\.)"
_TOO_MANY_PARTS = re.compile(rf"\b(?:import|from)\b{_DOTTED}{{{_MOST_PARTS}}}")

_BEGINS = re.compile(r"\b(?:f|fr|rf)['\"]", re.IGNORECASE)


def check_work(text: str) -> None:
    """Raise SourceInvalid for a source that takes too long to parse."""
    if text.count(".") >= _MOST_PARTS:
        _check_imports(text)
    if text.count("{") * len(text) > _MOST_WORK:
        _check_fstrings(text)


def _check_imports(text: str) -> None:
    found = _TOO_MANY_PARTS.search(text)
    if found is not None:
        line = text.count("\n", 0, found.start()) + 1
        raise SourceInvalid("SyntaxError", f"the name of a module has more than {_MOST_PARTS} parts", line)


def _check_fstrings(text: str) -> None:
    if not _BEGINS.search(text):
        return
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.STRING and _BEGINS.match(token.string):
                _check_one(token.string, token.start[0])
    except (tokenize.TokenError, SyntaxError):
        return  # the parser stops there too, and says why


def _check_one(literal: str, line: int) -> None:
    if literal.count("{") * len(literal) > _MOST_WORK:
        raise SourceInvalid("SyntaxError", "an f-string has too many fields; build the text in a loop", line)
