"""Whose job is it? Code that logs about a job knows the job's name, and its file is named after its agent as well."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Final

JOBS: Final = 10_000
"""How many are remembered; the one of which nothing has happened for longest is forgotten."""

_lock = threading.Lock()
_agents: OrderedDict[str, str] = OrderedDict()


def remember_agent(job: str, agent: str) -> None:
    """Note whose job something has happened to; an empty agent is nobody's."""
    with _lock:
        _agents[job] = agent
        _agents.move_to_end(job)
        if len(_agents) > JOBS:
            _agents.popitem(last=False)


def agent_of(job: str) -> str | None:
    """Return the agent of a job to which something has happened lately in this process."""
    return _agents.get(job)
