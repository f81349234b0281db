"""What every message has: a kind on the wire, and the sizes that bound it."""

from __future__ import annotations

from typing import Annotated, ClassVar, Final

from statek_protocol.schema import Bounds

KIB: Final = 1024
MIB: Final = 1024 * KIB

NAME_LIMIT: Final = 200
"""Characters of an identifier or short name."""
TEXT_LIMIT: Final = 16 * KIB
"""Characters of an error message or another sentence."""
CONSOLE_CHUNK_LIMIT: Final = 64 * KIB
"""Bytes of console output in one message; a longer print is cut into several."""
EXIT_STATUS_LIMIT: Final = 64 * KIB
"""Characters of what a guest ends its job with (`statek_policies.language.facades.console`; a test compares them)."""
SOURCE_LIMIT: Final = 8 * MIB
"""Bytes of a batch's source that any policy may allow."""
ARGUMENTS_LIMIT: Final = 16 * MIB
"""Bytes of a call's arguments or result that any policy may allow."""
WORKSPACE_LIMIT: Final = 64 * MIB
"""Bytes of a workspace that any policy may allow."""
VARIABLES_LIMIT: Final = 20_000
"""Variables of a workspace that any policy may allow."""
SEGMENTS_LIMIT: Final = VARIABLES_LIMIT + 1
"""Parts of a workspace: at most one for each variable, and one for what is kept beside them."""
OBSERVATION_LIMIT: Final = 1 * MIB
"""Bytes of one record of observations."""
FRAME_LIMIT: Final = 80 * MIB
"""Bytes of the largest frame there can be: a workspace and the sources that it needs."""

Identifier = Annotated[str, Bounds(1, NAME_LIMIT)]
Word = Annotated[str, Bounds(0, NAME_LIMIT)]
"""An identifier, or nothing."""
Sentence = Annotated[str, Bounds(0, TEXT_LIMIT)]
ExitStatus = Annotated[str, Bounds(0, EXIT_STATUS_LIMIT)]
BatchNumber = Annotated[int, Bounds(1, 10**9)]
Count = Annotated[int, Bounds(0, 2**53)]
SegmentData = Annotated[bytes, Bounds(0, WORKSPACE_LIMIT)]
Source = Annotated[bytes, Bounds(0, SOURCE_LIMIT)]


class Message:
    """One message on the wire. Its class attribute `kind` is its wire name; its fields are checked when it is read."""

    __slots__ = ()
    kind: ClassVar[str]
    max_bytes: ClassVar[int] = 64 * KIB
    """Largest encoded size of this kind; a longer frame is refused."""
