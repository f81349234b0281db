"""Which methods has JSON-RPC, which parameters do they take, and what do they do?

The names are those that the Python faces have. Parameters are the fields of REST's bodies and addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Annotated, Any, Final, Literal, NotRequired

from pydantic import BaseModel, Field

from statek.api.http import bodies, forms
from statek.api.http.acts import Acts
from statek.api.http.who import Who

CALLS_AT_ONCE: Final = 100

Run = Callable[[Acts, Who, Any], Mapping[str, object]]


@dataclass(frozen=True, slots=True)
class Method:
    """One method: the form of its parameters, and what it does with them."""

    parameters: type[BaseModel]
    run: Run
    reads: bool = False
    """It only reads what is in the ledger."""


class Keyed(bodies.Body):
    """What is the same act when it is asked for again."""

    idempotency_key: str | None = None


class NoParams(bodies.Body):
    """Nothing."""


class JobParams(bodies.Body):
    """The job that is meant."""

    job: bodies.Name


class SubmitParams(bodies.SubmitBody, Keyed):
    """A job of an agent that is to be started."""


class SubmitBatchParams(bodies.SubmitBatchBody, Keyed):
    """Jobs of an agent that are to be started, all of them or none."""


class FindParams(bodies.FindParameters, bodies.Body):
    """Which jobs are asked for."""


class PageParams(JobParams, bodies.PageParameters, bodies.Body):
    """Which part of a job's log is asked for."""


class MessageParams(JobParams, bodies.MessageBody, Keyed):
    """What is to be said to which job."""


class CancelParams(JobParams, bodies.ReasonBody):
    """Which job is to end, and why."""


class EventParams(bodies.EventBody, Keyed):
    """What which agent is to get."""

    agent: bodies.Name


class DeadLettersParams(bodies.PageParameters, bodies.Body):
    """Which dead letters are asked for."""

    queue: bodies.Name


class RedriveParams(bodies.RedriveBody):
    """What is to become of which dead letters."""

    queue: bodies.Name


class KeyParams(bodies.Body):
    """The key whose futures are meant."""

    key: bodies.Name


class OutcomeParams(KeyParams, bodies.OutcomeBody):
    """What the futures of a key come to."""


class UsageParams(bodies.SinceParameters, bodies.Body):
    """From which day on."""


METHODS: Final[dict[str, Method]] = {
    "submit_new_job": Method(SubmitParams, lambda acts, who, asked: acts.submit(who, asked)),
    "submit_new_jobs_batch": Method(SubmitBatchParams, lambda acts, who, asked: acts.submit_batch(who, asked)),
    "push_to_job_console": Method(MessageParams, lambda acts, who, asked: acts.push_message(who, asked.job, asked)),
    "push_to_agent_queue": Method(EventParams, lambda acts, who, asked: acts.push_event(who, asked.agent, asked)),
    "find_jobs": Method(FindParams, lambda acts, who, asked: acts.find(who, asked), reads=True),
    "get_job": Method(JobParams, lambda acts, who, asked: acts.job(who, asked.job), reads=True),
    "chat_log": Method(PageParams, lambda acts, who, asked: acts.chat(who, asked.job, asked), reads=True),
    "tool_log": Method(PageParams, lambda acts, who, asked: acts.calls(who, asked.job, asked), reads=True),
    "console": Method(PageParams, lambda acts, who, asked: acts.console(who, asked.job, asked), reads=True),
    "violations": Method(PageParams, lambda acts, who, asked: acts.violations(who, asked.job, asked), reads=True),
    "cancel_job": Method(CancelParams, lambda acts, who, asked: acts.cancel(who, asked.job, asked)),
    "retry_job": Method(JobParams, lambda acts, who, asked: acts.retry(who, asked.job)),
    "queues": Method(NoParams, lambda acts, who, _: acts.queues(who), reads=True),
    "dead_letters": Method(
        DeadLettersParams, lambda acts, who, asked: acts.dead_letters(who, asked.queue, asked), reads=True
    ),
    "redrive": Method(RedriveParams, lambda acts, who, asked: acts.redrive(who, asked.queue, asked)),
    "agents": Method(NoParams, lambda acts, who, _: acts.agents(who), reads=True),
    "usage": Method(UsageParams, lambda acts, who, asked: acts.usage(who, asked), reads=True),
    "complete_future": Method(OutcomeParams, lambda acts, who, asked: acts.complete_future(who, asked.key, asked)),
    "cancel_future": Method(KeyParams, lambda acts, who, asked: acts.cancel_future(who, asked.key)),
}


def form_of_requests() -> Any:
    """Return the form of what is sent, for the description: a call of one of the methods, or a batch of calls."""
    calls: Any = reduce(or_, (_form(name, method.parameters) for name, method in METHODS.items()))
    one: Any = Annotated[calls, Field(discriminator="method")]
    return one | Annotated[list[one], Field(min_length=1, max_length=CALLS_AT_ONCE)]


def _form(method: str, parameters: Any) -> Any:
    needed = any(field.is_required() for field in parameters.model_fields.values())
    call = {
        "jsonrpc": Literal["2.0"],
        "method": Literal[method],
        "params": parameters if needed else NotRequired[parameters],
        "id": NotRequired[str | float | None],
    }
    name = "".join(part.capitalize() for part in method.split("_"))
    return forms.made(f"{name}Call", call, "A call; one without `id` is told only, and not answered.")
