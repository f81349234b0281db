"""Which name was meant, where nothing has the one that was given?"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Final

_NEAR: Final = 3
_LISTED: Final = 12
"""Names that are listed where none is near; more would not help."""


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """Say that nothing of a kind has that name, with the nearest ones, or with some of those that there are."""
    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, _NEAR)
    if near:
        return f"there is no {what} {name!r} in this store; did you mean {' or '.join(map(repr, near))}?"
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"there is no {what} {name!r} in this store; there are: {', '.join(names[:_LISTED]) or 'none'}{more}"
