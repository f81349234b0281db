"""STATEK: durable jobs of hostile, real CPython, each in a locked-down process of its own.

cli  api                      the faces: commands, clients
service  local_pool           one scheduler as a running thing
loop  tick  composing         moves messages, time and disk; decides nothing
pools  store  calls           the rims: executors; ledger and dbzero objects; tools
core                          pure: jobs, events, decisions

What an application uses is here; nothing happens on import.
"""

from statek.calls.tools import tool
from statek.futures.results import FutureError, FutureFailed, FutureResult, get_all_future, get_any_future
from statek.futures.temporals import temporal

__all__ = ["FutureError", "FutureFailed", "FutureResult", "get_all_future", "get_any_future", "temporal", "tool"]
