"""An interpreter that nobody expects anything of is told so after a while, and gives back the memory that it can share.

To look for it takes the interpreter some ten milliseconds of its processor, and the next batch as many page faults as a
first one has. So it is not done between two messages, but where somebody thinks: a model, a person, a slow tool.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from statek_protocol.codec import encode
from statek_protocol.framing import frame
from statek_protocol.messages.interpreter import Rest

REST_SECONDS: Final = 1.0
"""How long an interpreter has waited when it is told to rest."""

_REST: Final = frame(encode(Rest()))


class Resting:
    """When one interpreter is told to rest: once for each time that it waits."""

    def __init__(self) -> None:
        self.write: Callable[[bytes], None] | None = None
        """How it is told, once there is a stream to it."""
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        """The interpreter waits from now on."""
        assert self.write is not None, "who is known to wait was heard"
        self.end()
        self._timer = asyncio.get_running_loop().call_later(REST_SECONDS, self.write, _REST)

    def end(self) -> None:
        """It waits no longer, or is gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
