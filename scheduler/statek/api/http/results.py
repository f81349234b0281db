"""What is answered to what is asked, as JSON: the forms that stand in the description."""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict  # pydantic can do nothing with the standard library's before Python 3.12

from statek.api.http import forms
from statek.api.http.forms import Described
from statek.inspection.console import Printed
from statek.inspection.plain import KINDS, OF_JOB
from statek.inspection.shapes import Violation
from statek.inspection.tool_log import ToolLogItem
from statek.inspection.views import JobView
from statek.store.queue_table import QueueDepth, QueueItem
from statek.store.totals import UsageTotal
from statek_protocol.messages.client import ConnectedExecutor, Health

Plain = dict[str, Any]


class Started(TypedDict):
    """The names of the jobs, in the order in which they were asked for."""

    jobs: list[str]


class Pushed(TypedDict):
    """The number under which the queue has it, durably."""

    number: int


class Told(TypedDict):
    """What became of the key, and of how many futures; none where it was told before anybody waits for it.

    `ended` names the first of their jobs that have ended: they meet the outcome only if they are tried again.
    """

    outcome: Literal["completed", "kept", "late", "duplicate", "cancelled", "nothing"]
    futures: int
    ended: Annotated[list[str], Field(description="Of the jobs with such a future the first that are over.")]


class Cancelled(TypedDict):
    """Whether there was something to end."""

    cancelled: bool


class Retried(TypedDict):
    """Whether there was something to try again."""

    retried: bool


class Moved(TypedDict):
    """How many dead letters that are."""

    items: int


Job = Annotated[Plain, Described(lambda: forms.of_properties(JobView, "Job", OF_JOB))]
ChatEntry = Annotated[Plain, Described(lambda: forms.one_of(tuple(KINDS)))]
Call = Annotated[Plain, Described(lambda: forms.form(ToolLogItem))]
PrintedText = Annotated[Plain, Described(lambda: forms.form(Printed))]
Refusal = Annotated[Plain, Described(lambda: forms.form(Violation))]
Depth = Annotated[Plain, Described(lambda: forms.form(QueueDepth))]
DeadLetter = Annotated[Plain, Described(lambda: forms.changed(forms.form(QueueItem), "DeadLetter", body=_BODY))]
Executor = Annotated[Plain, Described(lambda: forms.form(ConnectedExecutor))]
Total = Annotated[Plain, Described(lambda: forms.form(UsageTotal))]
Vitals = Annotated[Plain, Described(lambda: forms.changed(forms.form(Health), "Health", without=("request",)))]

_BODY: Final = Annotated[int, Field(description="How many bytes it has; what they say is not told.")]


class JobPage(TypedDict):
    """Jobs without their logs, and the `after` of the next page; null where there are no more."""

    jobs: list[Job]
    after: int | None


class ChatLog(TypedDict):
    """What was said to a job and by its model, its batches, and the `after` of the next page; null where it ends."""

    items: list[ChatEntry]
    after: int | None


class ToolLog(TypedDict):
    """Calls of a job's code, and the `after` of the next page; null where there are no more for now."""

    items: list[Call]
    after: int | None


class Console(TypedDict):
    """What a job printed, and the `after` of the next page; null where there is no more for now."""

    items: list[PrintedText]
    after: int | None


class Violations(TypedDict):
    """What the policy refused to a job, and the `after` of the next page; null where there is no more for now."""

    items: list[Refusal]
    after: int | None


class DeadLetters(TypedDict):
    """Dead letters, and the `after` of the next page; null where there are no more."""

    letters: list[DeadLetter]
    after: int | None


class QueueList(TypedDict):
    """What waits and what is dead, by queue and agent."""

    queues: list[Depth]


class Agent(TypedDict):
    """An agent in the version that new jobs get."""

    agent: str
    model: str
    provider: str
    policy: str
    tools: list[str]
    jobs: Annotated[dict[str, int], Field(description="How many it has, by status.")]
    revised: Annotated[list[str], Field(description="The fields that were changed by hand.")]


class AgentList(TypedDict):
    """The agents, in the version that new jobs get."""

    agents: list[Agent]


class ExecutorList(TypedDict):
    """The executors that are connected."""

    executors: list[Executor]


class UsageTotals(TypedDict):
    """What was used, by UTC day, agent and model."""

    usage: list[Total]


class FieldFault(TypedDict):
    """What is wrong with one field of a request."""

    field: str
    reason: str


class _Problem(TypedDict):
    type: str
    title: str
    status: int
    code: str
    detail: str


class ProblemBody(_Problem, total=False):
    """Why a request was not carried out (RFC 9457); `code` is for programs, `fields` names what is wrong."""

    fields: list[FieldFault]


class RpcError(TypedDict):
    """Why a call was not carried out; `data` is the problem that REST would have told, where there is one."""

    code: int
    message: str
    data: NotRequired[ProblemBody]


class RpcFailed(TypedDict):
    """The answer to a call that was not carried out."""

    jsonrpc: Literal["2.0"]
    error: RpcError
    id: str | float | None


class RpcDone(TypedDict):
    """The answer to a call; its result is what REST answers to the same."""

    jsonrpc: Literal["2.0"]
    result: (
        Started
        | Pushed
        | Told
        | Cancelled
        | Retried
        | Moved
        | Job
        | JobPage
        | ChatLog
        | ToolLog
        | Console
        | Violations
        | DeadLetters
        | QueueList
        | AgentList
        | UsageTotals
    )
    id: str | float | None


RpcAnswer = RpcDone | RpcFailed | list[RpcDone | RpcFailed]


def component(name: str) -> dict[str, str]:
    """Refer to one of the forms of the description."""
    return {"$ref": f"#/components/schemas/{name}"}
