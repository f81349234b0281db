"""STATEK: durable jobs of hostile, real CPython, each in a locked-down process of its own.

cli  api                      the faces: commands, clients
service  local_pool           one scheduler as a running thing
loop  tick  composing         moves messages, time and disk; decides nothing
pools  store  calls           the rims: executors; ledger and dbzero objects; tools
core                          pure: jobs, events, decisions

What an application uses is here; nothing happens on import.
"""

from statek.calls.tools import tool

__all__ = ["tool"]
