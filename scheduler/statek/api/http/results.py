"""What is answered to what is asked, as JSON: the forms that stand in the description."""

from __future__ import annotations

from typing import Any

from typing_extensions import TypedDict  # pydantic can do nothing with the standard library's before Python 3.12

Plain = dict[str, Any]


class Started(TypedDict):
    """The names of the jobs, in the order in which they were asked for."""

    jobs: list[str]


class Pushed(TypedDict):
    """The number under which the queue has it, durably."""

    number: int


class Told(TypedDict):
    """What became of the key, and of which futures; none where it was told before anybody waits for it."""

    outcome: str
    futures: int


class Cancelled(TypedDict):
    """Whether there was something to end."""

    cancelled: bool


class Retried(TypedDict):
    """Whether there was something to try again."""

    retried: bool


class Moved(TypedDict):
    """How many dead letters that are."""

    items: int


class Jobs(TypedDict):
    """Jobs without their logs, and the `after` of the next page; null where there are no more."""

    jobs: list[Plain]
    after: int | None


class Entries(TypedDict):
    """Entries of a log, and the `after` of the next page; null where there are no more for now."""

    items: list[Plain]
    after: int | None


class Letters(TypedDict):
    """Dead letters, of which the body is told by its size, and the `after` of the next page."""

    letters: list[Plain]
    after: int | None


class Queues(TypedDict):
    """What waits and what is dead, by queue and agent."""

    queues: list[Plain]


class Agents(TypedDict):
    """The agents, in the version that new jobs get."""

    agents: list[Plain]


class Executors(TypedDict):
    """The executors that are connected."""

    executors: list[Plain]


class Usage(TypedDict):
    """What was used, by UTC day, agent and model."""

    usage: list[Plain]


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
