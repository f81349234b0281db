"""What may be asked, as JSON: each body is checked whole, and a field that nobody knows is refused by name."""

from __future__ import annotations

from datetime import date
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import unquote

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from statek_protocol.messages.base import NAME_LIMIT

Name = Annotated[str, Field(min_length=1, max_length=NAME_LIMIT)]
Part = Annotated[str, BeforeValidator(partial(unquote, errors="strict")), Field(min_length=1, max_length=NAME_LIMIT)]
"""A name as a part of an address."""
Text = Annotated[str, Field(max_length=1 << 20)]
Key = Annotated[str, Field(min_length=1, max_length=200)]
Number = Annotated[int, Field(ge=0, lt=1 << 63)]
Limit = Annotated[int, Field(ge=1, le=1_000)]

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


class Parameters(BaseModel):
    """What stands in an address, where everything is text."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FindParameters(Parameters):
    """Which jobs are asked for; without a field, whatever it is."""

    status: Name | None = None
    agent: Name | None = None
    outcome: Name | None = None
    parent: Name | None = None
    newest: bool = False
    after: Number | None = Field(None, description="The `after` of the page before.")
    limit: Limit = 100


class PageParameters(Parameters):
    """Which part of a log is asked for."""

    after: Number = Field(0, description="The `after` of the page before.")
    limit: Limit = 100


class SinceParameters(Parameters):
    """From which day on, UTC."""

    since: date | None = None
