"""STATEK: durable jobs of hostile, real CPython, each in a locked-down process of its own.

cli                           commands
service                       one scheduler as a running thing
api                           its faces for executors, clients, HTTP
application                   what an application calls: jobs, messages, queues, what is completed from outside
inspection  client            looking at jobs in the ledger; asking the scheduler that runs on a store
settings                      read by what starts something, and handed down as values
loop                          turn after turn: moves messages, time and disk; decides nothing
conversation                  what a model is asked
agents  calls  futures        the rims: models; tools and objects; conditions;
pools  store  logs            executors; ledger and dbzero objects; logs
audit                         what is on record of security
core                          pure: jobs, events, decisions

Each floor stands on those below it; import-linter holds it.
What an application uses is here; nothing happens on import.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from statek.agents.agent import Agent
    from statek.agents.warmup import WarmupDef
    from statek.application.client_api import StatekClientAPI, submit_new_job, submit_new_jobs_batch
    from statek.application.completing import cancel_future, complete_future, fail_future
    from statek.application.following import NotEnded
    from statek.application.job_handle import JobEndedBadly, JobHandle, JobNotEnded, cancel_job, push_message, retry_job
    from statek.application.push_queue import PushQueue
    from statek.application.subtasks import create_sub_task, delegate_to
    from statek.calls.tools import tool
    from statek.futures.results import FutureError, FutureFailed, FutureResult, get_all_future, get_any_future
    from statek.futures.temporals import temporal
    from statek.inspection.store_view import UnknownJob, find_jobs, get_job
    from statek.service.starting import (
        AgentLoopDef,
        run_agentic_fleet,
        run_agentic_loop,
        run_jobs_loop,
        start_statek,
        start_statek_async,
    )

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
    **dict.fromkeys(("StatekClientAPI", "submit_new_job", "submit_new_jobs_batch"), "statek.application.client_api"),
    **dict.fromkeys(("cancel_future", "complete_future", "fail_future"), "statek.application.completing"),
    **dict.fromkeys(("NotEnded",), "statek.application.following"),
    **dict.fromkeys(("UnknownJob", "find_jobs", "get_job"), "statek.inspection.store_view"),
    **dict.fromkeys(("JobEndedBadly", "JobHandle", "JobNotEnded"), "statek.application.job_handle"),
    **dict.fromkeys(("cancel_job", "push_message", "retry_job"), "statek.application.job_handle"),
    **dict.fromkeys(("PushQueue",), "statek.application.push_queue"),
    **dict.fromkeys(
        ("AgentLoopDef", "run_agentic_fleet", "run_agentic_loop", "run_jobs_loop"), "statek.service.starting"
    ),
    **dict.fromkeys(("start_statek", "start_statek_async"), "statek.service.starting"),
    **dict.fromkeys(("create_sub_task", "delegate_to"), "statek.application.subtasks"),
    **dict.fromkeys(("FutureError", "FutureFailed", "FutureResult"), "statek.futures.results"),
    **dict.fromkeys(("get_all_future", "get_any_future"), "statek.futures.results"),
    **dict.fromkeys(("temporal",), "statek.futures.temporals"),
    **dict.fromkeys(("tool",), "statek.calls.tools"),
}
"""Where each name is, and imported from when it is asked for: a command needs hardly any of it, and begins sooner."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'statek' has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})
