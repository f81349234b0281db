"""How much work do the f-strings of a source make for CPython's parser?

CPython 3.11 looks for each field of an f-string from the beginning of the string: fields times length. A single string
of 200 kB takes it many seconds, in C, where no signal gets through. So it is looked at before it is parsed.
"""

import io
import re
import tokenize

from statek_policies.language.errors import SourceInvalid

_MOST_WORK = 1_000_000_000
"""Fields times characters of one f-string: about 0.4 s of parsing."""

_BEGINS = re.compile(r"\b(?:f|fr|rf)['\"]", re.IGNORECASE)


def check_fstrings(text: str) -> None:
    """Raise SourceInvalid for a source with an f-string that takes too long to parse."""
    if text.count("{") * len(text) <= _MOST_WORK or not _BEGINS.search(text):
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
