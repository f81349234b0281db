"""How are variables and events written that a program gives to jobs, wherever it runs?

In the scheduler's own process they may hold objects of dbzero and of the application; those are looked at in dbzero's
thread, whoever gives them. From any other process they are plain values.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from statek.application.asking import Scheduler
from statek.store import given
from statek.store.mirror import THREAD_NAME
from statek_protocol.values import ValueRefused, encode_value

T = TypeVar("T")


def plainly(value: Any, name: str) -> bytes:
    """Write a value without objects; raises TypeError with the place of what cannot be written."""
    try:
        return encode_value(value, max_bytes=given.VALUES_BYTES, max_depth=given.GIVEN_DEPTH, name=name)
    except ValueRefused as error:
        raise TypeError(str(error)) from error


def written(here: Scheduler | None, value: Any, name: str) -> bytes:
    """Write a value as a scheduler keeps it; raises TypeError with the place of what cannot be written.

    `here` is the scheduler of this process that gets it, None for one elsewhere. From any thread but its loop's.
    """
    try:
        return given.from_plain(plainly(value, name))
    except TypeError:
        if here is None:
            raise
    return _in_dbzero(here, partial(given.encode_given, value, here.application.offer, name=name))


def _in_dbzero(here: Scheduler, run: Callable[[], T]) -> T:
    """Run a function in dbzero's thread and wait for it; in that thread itself, at once."""
    if threading.current_thread().name == THREAD_NAME:
        return run()
    if threading.get_ident() == here.thread:
        raise RuntimeError("objects cannot be given from the scheduler's loop: use await asyncio.to_thread(...)")
    return here.mirror.submit(run, durable=True).result()
