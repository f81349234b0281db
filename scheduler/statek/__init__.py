"""STATEK: durable jobs of hostile, real CPython, each in a locked-down process of its own.

cli  api                      the faces for people and other programs
starting  client_api  queues  those for applications: a scheduler in their process, jobs, messages and events,
job_handle  inspecting        what became of jobs, subtasks, what is completed from outside
subtasks  completing
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
    from statek.agents.agent import Agent
    from statek.agents.warmup import WarmupDef
    from statek.client_api import StatekClientAPI, submit_new_job, submit_new_jobs_batch
    from statek.completing import cancel_future, complete_future, fail_future
    from statek.following import NotEnded
    from statek.inspecting import UnknownJob, find_jobs, get_job
    from statek.job_handle import JobEndedBadly, JobHandle, JobNotEnded, cancel_job, push_message, retry_job
    from statek.queues.push_queue import PushQueue
    from statek.starting import (
        AgentLoopDef,
        run_agentic_fleet,
        run_agentic_loop,
        run_jobs_loop,
        start_statek,
        start_statek_async,
    )
    from statek.subtasks import create_sub_task, delegate_to

__all__ = [
    "Agent",
    "AgentLoopDef",
    "FutureError",
    "FutureFailed",
    "FutureResult",
    "JobEndedBadly",
    "JobHandle",
    "JobNotEnded",
    "NotEnded",
    "PushQueue",
    "StatekClientAPI",
    "UnknownJob",
    "WarmupDef",
    "cancel_future",
    "cancel_job",
    "complete_future",
    "create_sub_task",
    "delegate_to",
    "fail_future",
    "find_jobs",
    "get_all_future",
    "get_any_future",
    "get_job",
    "push_message",
    "retry_job",
    "run_agentic_fleet",
    "run_agentic_loop",
    "run_jobs_loop",
    "start_statek",
    "start_statek_async",
    "submit_new_job",
    "submit_new_jobs_batch",
    "temporal",
    "tool",
]

_LATER = {
    **dict.fromkeys(("Agent",), "statek.agents.agent"),
    **dict.fromkeys(("WarmupDef",), "statek.agents.warmup"),
    **dict.fromkeys(("StatekClientAPI", "submit_new_job", "submit_new_jobs_batch"), "statek.client_api"),
    **dict.fromkeys(("cancel_future", "complete_future", "fail_future"), "statek.completing"),
    **dict.fromkeys(("NotEnded",), "statek.following"),
    **dict.fromkeys(("UnknownJob", "find_jobs", "get_job"), "statek.inspecting"),
    **dict.fromkeys(("JobEndedBadly", "JobHandle", "JobNotEnded"), "statek.job_handle"),
    **dict.fromkeys(("cancel_job", "push_message", "retry_job"), "statek.job_handle"),
    **dict.fromkeys(("PushQueue",), "statek.queues.push_queue"),
    **dict.fromkeys(("AgentLoopDef", "run_agentic_fleet", "run_agentic_loop", "run_jobs_loop"), "statek.starting"),
    **dict.fromkeys(("start_statek", "start_statek_async"), "statek.starting"),
    **dict.fromkeys(("create_sub_task", "delegate_to"), "statek.subtasks"),
}
"""What needs the store and the wire, and is imported when it is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'statek' has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
