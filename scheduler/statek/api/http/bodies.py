"""What may be asked, as JSON: each body is checked whole, and a field that nobody knows is refused by name."""

from __future__ import annotations

import re
from datetime import date
from functools import partial
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import unquote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from statek.core.jobs import JobStatus, Outcome
from statek_protocol.messages.base import NAME_LIMIT


def _day(value: Any) -> Any:
    """Read the one form of a day that is taken; pydantic would read numbers of seconds too."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
        raise ValueError("a day is written YYYY-MM-DD")
    return date.fromisoformat(value)


Name = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]
Part = Annotated[str, BeforeValidator(partial(unquote, errors="strict")), Field(min_length=1, max_length=NAME_LIMIT)]
"""A name as a part of an address."""
Text = Annotated[str, Field(max_length=1 << 20)]
Key = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[int, Field(ge=0, lt=1 << 63)]
Limit = Annotated[int, Field(ge=1, le=1_000)]
Day = Annotated[date, BeforeValidator(_day)]

JOBS_AT_ONCE = 1_000


class Body(BaseModel):
    """What all bodies have in common: nothing is converted and nothing ignored."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class JobStartBody(Body):
    """What one job is to begin with."""

    variables: dict[str, Any] = Field(default_factory=dict, description="By name; any values that JSON has.")
    message: Text | None = Field(None, description="What the user says first.")
    name: Name | None = Field(None, description="What it is to be called; one of the scheduler's choosing without it.")


class SubmitBody(JobStartBody):
    """A job of an agent that is to be started."""

    agent: Name
    locale: Name | None = Field(None, description="One more variable of the job, `locale`.")
    parent: Name | None = Field(None, description="The job whose subtask it is.")


class SubmitBatchBody(Body):
    """Jobs of an agent that are to be started, all of them or none."""

    agent: Name
    jobs: Annotated[list[JobStartBody], Field(min_length=1, max_length=JOBS_AT_ONCE)]
    parent: Name | None = None


class MessageBody(Body):
    """What is to be said to a job."""

    message: Text
    queue: Name = "main"


class EventBody(Body):
    """What an agent is to get, as a new job."""

    event: Any
    queue: Name = "main"


class ReasonBody(Body):
    """Why a job is to end."""

    reason: Annotated[str, Field(max_length=1_000)] = "over HTTP"


class RedriveBody(Body):
    """What is to become of dead letters: the one of that number, or all of the queue."""

    number: Number | None = None
    act: Literal["redrive", "discard"] = "redrive"


class OutcomeBody(Body):
    """What futures come to: a value, or the text of an error, and not both."""

    value: Any = None
    error: Annotated[str, Field(max_length=4_000)] | None = None

    @model_validator(mode="after")
    def _one_of_them(self) -> OutcomeBody:
        if ("value" in self.model_fields_set) == (self.error is not None):
            raise ValueError("either value or error is needed, and not both")
        return self


def _digits(value: Any) -> Any:
    """Refuse numbers in text that only pydantic would take for some: with spaces, signs, underscores, a point."""
    if isinstance(value, str) and not re.fullmatch(r"[0-9]{1,19}", value):
        raise ValueError("a number is written in digits")
    return value


N = TypeVar("N")
InText = Annotated[N, BeforeValidator(_digits)]


class Parameters(BaseModel):
    """What stands in an address, where everything is text."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FindParameters(Parameters):
    """Which jobs are asked for; without a field, whatever it is."""

    status: JobStatus | None = None
    agent: Name | None = None
    outcome: Outcome | None = None
    parent: Name | None = None
    newest: bool = False
    after: InText[Number] | None = Field(None, description="The `after` of the page before.")
    limit: InText[Limit] = 100


class PageParameters(Parameters):
    """Which part of a log is asked for."""

    after: InText[Number] = Field(0, description="The `after` of the page before.")
    limit: InText[Limit] = 100


class CursorParameters(Parameters):
    """From where on a job's events are asked for."""

    after: InText[Number] = Field(0, description="A cursor; 0 for all events.")


class SinceParameters(Parameters):
    """From which day on, UTC."""

    since: Day | None = None
