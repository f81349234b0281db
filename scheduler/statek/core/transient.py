"""What is recorded of values that a batch leaves and that cannot be kept: an interpreter's word on it, bounded."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from statek.core.events import ConsolePrinted, Event
from statek_protocol.messages.interpreter import TransientValue

NAMED: Final = 20
"""Transient places that the notice after a batch names; the rest is counted."""
CHARACTERS_KEPT: Final = 100_000
"""Text of transient places that is kept in all, so that their event fits into one message to a client."""


def kept(transient: Iterable[TransientValue]) -> tuple[TransientValue, ...]:
    """Take as many transient places, from the first on, as their text may be long in all."""
    left = CHARACTERS_KEPT
    taken = []
    for value in transient:
        left -= len(value.name) + len(value.type) + len(value.reason)
        if left < 0:
            break
        taken.append(value)
    return tuple(taken)


def notice(batch: int, transient: Sequence[TransientValue]) -> tuple[Event, ...]:
    """Tell the console what is not kept, if anything is; no more of it than is recorded at the batch's end."""
    if not transient:
        return ()
    told = kept(transient)[:NAMED]
    named = ", ".join(f"{value.name} ({value.type}: {value.reason})" for value in told)
    more = f" and {len(transient) - len(told)} more" if len(transient) > len(told) else ""
    text = f"not kept for the next batch: {named}{more}\n"
    return (ConsolePrinted(batch, "notice", text.encode(errors="surrogatepass")),)
