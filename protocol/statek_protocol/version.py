"""The protocol's own version, apart from the release: it changes when an old peer could misread a message."""

from __future__ import annotations

from typing import Final

RELEASE: Final = "0.1.0"
"""The release of all four distributions; they are made and installed together."""

PROTOCOL_VERSION: Final = 1
"""Both sides of a hello must name the same number; there is no negotiation downwards."""

HASH_SEED: Final = 0
"""PYTHONHASHSEED of every interpreter.

A replay must see sets of strings in the order of the first run, on whichever host it happens. A constant seed lets a
guest build colliding keys, which costs its own CPU limit and nobody else's.
"""
