"""Runs in a child: an entry with a bug in it."""

from __future__ import annotations


def serve(descriptor: int) -> None:
    """Fail at once."""
    raise RuntimeError("a bug")
