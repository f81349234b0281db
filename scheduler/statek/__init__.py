"""STATEK: durable jobs of hostile, real CPython, each in a locked-down process of its own.

cli  api  completing          the faces: commands, clients, what applications complete from outside
service  local_pool           one scheduler as a running thing
loop  tick  composing         moves messages, time and disk; decides nothing
waiting  placing
pools  store  calls  futures  the rims: executors; ledger and dbzero objects; tools; conditions
core                          pure: jobs, events, decisions

What an application uses is here; nothing happens on import.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from statek.calls.tools import tool
from statek.futures.results import FutureError, FutureFailed, FutureResult, get_all_future, get_any_future
from statek.futures.temporals import temporal

if TYPE_CHECKING:
    from statek.completing import cancel_future, complete_future, fail_future

__all__ = [
    "FutureError",
    "FutureFailed",
    "FutureResult",
    "cancel_future",
    "complete_future",
    "fail_future",
    "get_all_future",
    "get_any_future",
    "temporal",
    "tool",
]

_LATER = dict.fromkeys(("cancel_future", "complete_future", "fail_future"), "statek.completing")
"""What needs the store and the wire, and is imported when it is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'statek' has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
