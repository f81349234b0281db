"""The zygote: a process that has imported everything and given up everything, and forks interpreters.

messages    what the supervisor and the zygote say to each other
events      what the supervisor makes of it
entries     what a child can be, and what is imported for it
launcher    the first process: imports, walls, the fork that becomes the zygote
service     the zygote's loop
template    the process that every child is a copy of
child       from the fork to the entry's serve
"""

from __future__ import annotations

from statek_executor.zygote.launcher import main

__all__ = ["main"]
