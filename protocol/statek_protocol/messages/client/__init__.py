"""Messages between a client on the same machine (the statek command) and the scheduler, over a local ZeroMQ socket."""

from __future__ import annotations

from statek_protocol.messages.base import Message
from statek_protocol.messages.client.answers import (
    Accepted,
    Completed,
    Decided,
    Events,
    JobEvent,
    Pushed,
    Redriven,
    Refused,
    Revised,
    Started,
    Steered,
)
from statek_protocol.messages.client.requests import (
    START_LIMIT,
    AskExecutors,
    AskHealth,
    CancelJob,
    CancelWait,
    Complete,
    Decide,
    Follow,
    NewBatch,
    NewJob,
    Ping,
    Push,
    Redrive,
    RetryJob,
    ReviseAgent,
    StartJobs,
    Submit,
)
from statek_protocol.messages.client.vitals import Alive, ConnectedExecutor, ExecutorList, Health

__all__ = [
    "FROM_CLIENT",
    "START_LIMIT",
    "TO_CLIENT",
    "Accepted",
    "Alive",
    "AskExecutors",
    "AskHealth",
    "CancelJob",
    "CancelWait",
    "Complete",
    "Completed",
    "ConnectedExecutor",
    "Decide",
    "Decided",
    "Events",
    "ExecutorList",
    "Follow",
    "Health",
    "JobEvent",
    "NewBatch",
    "NewJob",
    "Ping",
    "Push",
    "Pushed",
    "Redrive",
    "Redriven",
    "Refused",
    "RetryJob",
    "ReviseAgent",
    "Revised",
    "StartJobs",
    "Started",
    "Steered",
    "Submit",
]

FROM_CLIENT: frozenset[type[Message]] = frozenset(
    {
        Submit,
        Follow,
        Decide,
        Complete,
        CancelWait,
        CancelJob,
        RetryJob,
        StartJobs,
        Push,
        ReviseAgent,
        Redrive,
        Ping,
        AskExecutors,
        AskHealth,
    }
)
TO_CLIENT: frozenset[type[Message]] = frozenset(
    {
        Accepted,
        Decided,
        Completed,
        Steered,
        Started,
        Pushed,
        Revised,
        Redriven,
        Refused,
        Events,
        Alive,
        Health,
        ExecutorList,
    }
)
