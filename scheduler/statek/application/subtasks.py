"""Jobs that work for another job: started by a tool of it, awaited by its code, told of in its `chat_log`.

    @temporal()
    def research(topic: str) -> FutureResult:
        return create_sub_task(researcher, {"topic": topic})

The guest goes on with what `research` gives and stands still where it needs the value: what the subtask ended with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final

from statek.application.client_api import NewAgentJob, start_jobs
from statek.application.push_queue import role_of
from statek.calls.current import current_call
from statek.calls.tools import tool
from statek.core.awaiting import OF_SUBTASK as SUBTASK_KEY
from statek.errors import StatekError
from statek.futures.results import FutureResult
from statek.futures.temporals import temporal

if TYPE_CHECKING:
    from statek.agents.agent import Agent

DELEGATE: Final = "delegate_task"


class NoJobToWorkFor(StatekError):
    """A subtask was started outside of any call of a job: submit an ordinary job there."""

    def __init__(self) -> None:
        super().__init__(
            "create_sub_task is for tools and methods that a job calls, and the threads that these start with their "
            "context; anywhere else use submit_new_job"
        )


def create_sub_task(
    agent: Agent | str,
    shared_vars: Mapping[str, Any] | None = None,
    message: str | None = None,
    *,
    deadline_seconds: float | None = None,
) -> FutureResult:
    """Start a job of an agent that works for the one whose call this is; its result is a future of what it ends with.

    When the call is made again after a crash, it is the same subtask: the n-th that a call starts is always the same.
    The future fails where the subtask does not end well (`FutureFailed` of the guest's) or not in time. Raises
    `NoJobToWorkFor` outside of any call, and what `submit_new_job` raises.
    """
    call = current_call()
    if call is None:
        raise NoJobToWorkFor
    new = NewAgentJob(dict(shared_vars or {}), message)
    (child,) = start_jobs(role_of(agent), [new], key=f"subtask/{call.next_key()}", parent=call.job, store=None)
    future = FutureResult(deadline_seconds=deadline_seconds)
    future.key = f"{SUBTASK_KEY}{child}"  # which no application may choose
    return future


def delegate_to(*agents: Agent | str, name: str = DELEGATE) -> Callable[[str, str], FutureResult]:
    """Make a tool `delegate_task(agent, message)` with which a job may have these agents work for it, and no others.

    List it among an agent's tools. Two agents that may delegate to different ones need tools of different names.
    """
    allowed = tuple(dict.fromkeys(role_of(agent) for agent in agents))
    if not allowed:
        raise ValueError("delegate_to needs at least one agent")

    @tool(name=name, idempotent=True)
    @temporal()
    def delegate_task(agent: str, message: str) -> FutureResult:
        if agent not in allowed:
            raise ValueError(f"nothing can be delegated to {agent!r}; there are: {', '.join(allowed)}")
        return create_sub_task(agent, message=message)

    delegate_task.__name__ = name
    delegate_task.__doc__ = (
        f"Have another agent ({', '.join(allowed)}) do what the message says; its answer is there when you use it."
    )
    return delegate_task
