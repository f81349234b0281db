"""What every event is, and the sizes of its texts."""

from __future__ import annotations

from typing import Annotated, ClassVar

from statek_protocol.messages.base import SOURCE_LIMIT
from statek_protocol.schema import Bounds

Text = Annotated[bytes, Bounds(0, SOURCE_LIMIT)]


class Event:
    """One fact about one job; its class attribute `kind` is its name in the ledger."""

    __slots__ = ()
    kind: ClassVar[str]
