"""Which text encodings a guest finds. A codec is a module, imported when it is asked for while there are files."""

import codecs
from typing import Final

_ENCODINGS: Final = (
    *("ascii", "latin-1", "iso8859-2", "iso8859-15", "cp437", "cp850", "cp1250", "cp1251", "cp1252"),
    *("koi8-r", "mac-roman", "shift_jis", "euc_jp", "gbk", "big5", "euc_kr"),
    *("utf-7", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-32-be"),
    *("idna", "punycode", "unicode_escape", "raw_unicode_escape"),
    *("hex", "base64", "rot13", "quopri", "zlib"),
)
"""What text still comes in, and what else the codecs module makes of bytes and text."""


def load_encodings() -> None:
    """Look each of them up, so that `str.encode` and `bytes.decode` find it in a cache later."""
    for encoding in _ENCODINGS:
        codecs.lookup(encoding)
