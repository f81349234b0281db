"""Before which of a batch's instructions does its code ask whether to go on?

An instruction is a top-level statement. The code asks at a boundary, `if @boundary: ...`: a load and a jump, of which
no value is left for anybody. So a batch is one code object, and our own code runs between two of its statements. What
is to be gained there is a checkpoint, which is worth its while after something that took long. So an instruction that
looks brief has none after it: it shares the boundary of the next one, a few of them at most. That is a guess about
time, and no more. If it is wrong, a crash costs a few instructions more, and they are replayed as any others are.
"""

import ast
from collections.abc import Sequence
from itertools import chain, pairwise
from typing import Final

from statek_policies.language.words import RESERVED_MARK

BOUNDARY: Final = RESERVED_MARK + "boundary"
"""What instructions stand behind: its truth says whether they are to be executed."""
MOST_TOGETHER: Final = 8
"""Instructions behind one boundary."""
_BRIEF: Final = (
    "abs bool chr dict divmod enumerate float format frozenset hash int isinstance issubclass len list max min ord "
    "print range repr reversed round set sorted str sum tuple type zip"
)
BRIEF_CALLS: Final = frozenset(_BRIEF.split())
"""Names of what mostly returns at once; anything else that is called may take as long as it likes."""

_AT_BOUNDARY = ast.Name(BOUNDARY, ast.Load(), lineno=1, col_offset=0)
"""One for all: loading it cannot fail, and asking for its truth is done at the line of the `if`."""


def starts(lasting: Sequence[bool], first: int) -> list[int]:
    """Say which instructions have a boundary before them, by their places.

    `lasting` says of each whether it may take long; one where the batch can have to begin, `first`, has a boundary.
    """
    found: list[int] = []
    start = 0
    for place, after in enumerate(lasting):
        if place in (start, first):
            found.append(place)
            start = place + MOST_TOGETHER
        if after:
            start = place + 1
    return found


def behind(instructions: Sequence[list[ast.stmt]], lines: Sequence[int], starts: Sequence[int]) -> list[ast.stmt]:
    """Let the statements of instructions, which begin at these lines, stand behind their boundaries."""
    made: list[ast.stmt] = []
    for start, stop in pairwise([*starts, len(instructions)]):
        node = ast.If(_AT_BOUNDARY, [*chain.from_iterable(instructions[start:stop])], [])
        node.lineno, node.col_offset = lines[start], 0
        made.append(node)
    return made
