"""Which parts of the language a policy can leave out, and what a guest is told to write instead."""

from typing import Final

FEATURES: Final = {
    "classes": "class statements are not offered; use dicts, tuples or collections.namedtuple",
    "functions": "def and lambda are not offered; write the steps one after the other",
    "generators": "yield and generator expressions are not offered; build a list",
    "match": "match is not offered; use if and elif",
    "special_methods": "only __init__ and __post_init__ may be defined; give the method a plain name and call it",
    "while": "while is not offered; use for, which ends with what it goes over",
}
"""By the name of the feature: the sentence with which its use is refused.

What is worth leaving out is what hides work from a reader or from a bound: code that Python calls by itself
(`special_methods`), frames that outlive their call (`generators`), attributes that C code reads (`match`), loops and
recursion without an end (`while`, `functions`), and the object model as a whole (`classes`).
"""

PLAIN_METHODS: Final = frozenset({"__init__", "__post_init__"})
"""Special methods that any class may define: they run where the reader sees an object being made."""
