"""How text of different authors is kept apart in a prompt: between tags that none of them can write. Pure."""

from __future__ import annotations

import re
from typing import Final

from statek.audit.escaping import shortened, shown

_TAG: Final = re.compile(r"<(?=[\s/]*(?:output|message|runtime)\b)", re.IGNORECASE)
"""What stands between < and the name is looked through once: anybody may have written very much of it."""
_ATTRIBUTE_CHARACTERS: Final = 200


def untagged(text: str) -> str:
    """Return the text with every tag of ours that stands in it defused."""
    return _TAG.sub("&lt;", text)


def tagged(tag: str, text: str, *, source: str = "") -> str:
    """Return the text between a pair of tags, each on a line of its own; `source` says whose text it is."""
    author = shown(shortened(source, _ATTRIBUTE_CHARACTERS)).replace('"', "'")
    attribute = f' from="{untagged(author)}"' if source else ""
    return f"<{tag}{attribute}>\n{untagged(text).removesuffix(chr(10))}\n</{tag}>"
