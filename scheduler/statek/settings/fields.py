"""What can be set: each name with the values that it takes, its default, and what it means.

A name is the same everywhere: `max_turns` in Python and in the file, STATEK_MAX_TURNS in the environment.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, ValidationInfo, field_validator

from statek.agents.definitions import HARNESS_NAMES, harness_of
from statek.agents.providers import Provider
from statek.calls.runner import TIMEOUT_SECONDS
from statek.core.agents import CONTEXT_TOKENS, Harness
from statek.loop.placing import MAX_CONCURRENCY, MAX_PARKED, MAX_SUSPENDED, PARK_SECONDS
from statek.loop.queueing import MAX_DEPTH
from statek.settings.kinds import (
    NONE,
    Amount,
    Count,
    Days,
    Endpoint,
    HttpAddress,
    Key,
    LogFormat,
    LogLevel,
    Place,
    Port,
    Positive,
    Seconds,
    SomeSeconds,
    takes,
)
from statek.settings.sources import PROVIDERS, default_store
from statek.store.compaction import CompactionRules
from statek.store.copying import CopyRules
from statek_protocol.transport.keys import default_directory

DEFAULT: Final = "default"
"""The provider that the settings `model_...` describe."""
OPENAI: Final = "https://api.openai.com/v1"
_TEXT_LIMIT: Final = 4_000
_HARNESS: Final = Harness()
_PROVIDER: Final = Provider(name=DEFAULT, base_url=OPENAI)


class _Group(BaseModel):
    """A part of the settings; its docstring is its heading in docs/settings.md."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        str_max_length=_TEXT_LIMIT,
        hide_input_in_errors=True,
        protected_namespaces=(),
        defer_build=True,
    )

    @field_validator("*", mode="before")
    @classmethod
    def _read_plainly(cls, value: object, info: ValidationInfo) -> object:
        """Read the word for no value, and take no truth value for a number."""
        assert info.field_name is not None
        hint = cls.model_fields[info.field_name].annotation
        if isinstance(value, str) and value.strip().lower() == NONE and takes(hint, type(None)):
            return None
        if isinstance(value, bool) and not takes(hint, bool):
            raise ValueError("it is a truth value")
        return value


class SchedulerSettings(_Group):
    """The scheduler"""

    store: Place = Field(default_factory=lambda: default_store(os.environ))
    """The store's directory; one scheduler runs on it."""
    app: Place | None = None
    """The Python file whose `tools` and `locals` are offered to guests."""
    listen: Endpoint | None = None
    """Where executors connect from outside; none for a local pool of the scheduler's own."""
    keys: Place = Field(default_factory=default_directory)
    """The CURVE keys, for tcp."""
    workers: Positive | None = Field(default=None, le=1000)
    """Jobs at once in the local pool; none for one per core."""
    max_concurrency: Positive = Field(default=MAX_CONCURRENCY, le=100_000)
    """Jobs that hold an executor at once, those that wait for a future not counted."""
    max_suspended: Count = MAX_SUSPENDED
    """Jobs that wait for futures at once; one more is refused its wait."""
    max_queued: Positive = MAX_DEPTH
    """Items that one queue may have, its dead letters among them; one more is refused."""
    park_seconds: Seconds = PARK_SECONDS
    """How long a job that waits keeps its interpreter; 0 gives it up at once."""
    max_parked: Count = MAX_PARKED
    """How many waiting jobs keep their interpreters at once; the longest wait goes first."""
    tool_timeout_seconds: SomeSeconds = TIMEOUT_SECONDS
    """How long a tool may take that does not say otherwise, and an operation on an object."""


class StoreSettings(_Group):
    """What is kept in the store"""

    copy_seconds: Seconds = CopyRules().seconds
    """How soon after a change the application's dbzero prefixes are copied; 0 for never."""
    copies_kept: Positive = Field(default=CopyRules().kept, le=1000)
    """How many copies are kept of each prefix."""
    compact_factor: Seconds = CompactionRules().factor
    """How many times larger than its jobs dbzero's file of them may become; 0 for any size."""
    retain_days: Days | None = None
    """After how many days an ended job is forgotten, with its console and its history; none for never."""


class ModelSettings(_Group):
    """The model"""

    model: str = ""
    """The model of agents that name none, as the provider calls it."""
    model_base_url: HttpAddress | None = None
    """The OpenAI-compatible endpoint; none for that of OpenAI."""
    model_api_key: Key | None = None
    """The key for it."""
    model_api_key_path: Place | None = None
    """A file whose first line is the key, where model_api_key does not say it."""
    model_plain_http: bool = False
    """Whether the key may go over http:// to another host, readable on the way."""
    model_streaming: bool = _PROVIDER.streaming
    """Whether a reply is taken piece by piece; otherwise all of it has to come within model_idle_seconds."""
    model_connect_seconds: SomeSeconds = _PROVIDER.connect_seconds
    """How long a connection may take to come about."""
    model_idle_seconds: SomeSeconds = _PROVIDER.idle_seconds
    """How long there may be nothing of a reply, before it begins and between two pieces."""
    model_total_seconds: SomeSeconds = _PROVIDER.total_seconds
    """How long a reply may take, all attempts at it together."""
    model_retries: Count = Field(default=_PROVIDER.retries, le=20)
    """How often a request is made again that failed for a passing reason."""
    model_concurrency: Positive = Field(default=_PROVIDER.concurrency, le=1_000)
    """Requests to the model at once; others wait for their turn."""
    model_reply_limit_name: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """What the endpoint calls the most tokens that a reply may have."""
    context_tokens: Positive = Field(default=CONTEXT_TOKENS, le=100_000_000)
    """What a prompt may have, by estimate, for agents that say nothing of it."""
    prices_path: Place | None = None
    """A price table (TOML) in the place of ours."""


class ProviderSettings(_Group):
    """Further providers

    An agent may name a provider; one that names none asks that of the settings above. In the file, each has a table of
    its own, `[providers.NAME]`.
    """

    base_url: HttpAddress
    """The OpenAI-compatible endpoint; it has to be there."""
    api_key: Key | None = None
    """The key for it."""
    api_key_path: Place | None = None
    """A file whose first line is the key, where api_key does not say it."""
    plain_http: bool = False
    """Whether the key may go over http:// to another host, readable on the way."""
    streaming: bool = _PROVIDER.streaming
    """Whether a reply is taken piece by piece; otherwise all of it has to come within idle_seconds."""
    connect_seconds: SomeSeconds = _PROVIDER.connect_seconds
    """How long a connection may take to come about."""
    idle_seconds: SomeSeconds = _PROVIDER.idle_seconds
    """How long there may be nothing of a reply, before it begins and between two pieces."""
    total_seconds: SomeSeconds = _PROVIDER.total_seconds
    """How long a reply may take, all attempts at it together."""
    retries: Count = Field(default=_PROVIDER.retries, le=20)
    """How often a request is made again that failed for a passing reason."""
    concurrency: Positive = Field(default=_PROVIDER.concurrency, le=1_000)
    """Requests to it at once; others wait for their turn."""
    reply_limit_name: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """What the endpoint calls the most tokens that a reply may have."""


class HarnessSettings(_Group):
    """What bounds a job of an agent

    An agent's own harness counts before these.
    """

    max_turns: Count | None = _HARNESS.max_turns
    """Replies of the model."""
    max_token_usage: Count | None = _HARNESS.max_tokens
    """Tokens of all prompts and replies together."""
    max_exceptions: Count | None = _HARNESS.max_exceptions
    """Pieces of code that did not end as they should."""
    max_consecutive_exceptions: Count | None = _HARNESS.max_consecutive_exceptions
    """The same, one after another."""
    max_cost: Amount | None = None
    """In units of the price table's currency."""
    max_tree_token_usage: Count | None = None
    """Tokens of the job and all that work for it together, its subtasks and theirs."""
    max_tree_cost: Amount | None = None
    """What all of them may cost together."""
    limit_extension_per_completion: Seconds = _HARNESS.extension_per_completion
    """By how much of itself each bound grows when an ended job is revived."""

    @field_validator(*HARNESS_NAMES)
    @classmethod
    def _fit_into_a_record(cls, value: object, info: ValidationInfo) -> object:
        """Take what an agent itself may say: a job keeps its bounds, and has to be read back with them."""
        _, faults = harness_of({str(info.field_name): value})
        if faults:
            raise ValueError(faults[0])
        return value


class HttpSettings(_Group):
    """The HTTP interface"""

    http_enabled: bool = False
    """Whether it is there at all."""
    http_host: str = Field(default="127.0.0.1", min_length=1)
    """The address it listens on."""
    http_port: Port = 8700
    """The port; 0 for any that is free."""
    http_tokens_path: Place | None = None
    """The file of bearer tokens and their scopes."""
    http_max_body_bytes: Positive = 1 << 20
    """How long the body of a request may be."""


class LogSettings(_Group):
    """Logs"""

    log_level: LogLevel = "WARNING"
    """What is less important is not written."""
    log_format: LogFormat = "human"
    """Lines for people, or a JSON object on each line."""
    logs_path: Place | None = None
    """The directory of log files, one of the scheduler and one of each job; none for standard error only."""
    log_file_bytes: Positive = 16 << 20
    """How long the scheduler's log file may be before the next one is begun."""
    log_files_kept: Count = Field(default=4, le=1000)
    """How many earlier ones are kept."""
    job_log_bytes: Positive = 1 << 20
    """The same for a job's file, of which one earlier is kept."""
    job_logs_retain_days: Days | None = None
    """After how many days without a line a job's files are deleted; none for never."""


class Settings(LogSettings, HttpSettings, HarnessSettings, ModelSettings, StoreSettings, SchedulerSettings):
    """All settings as one value. `statek.settings.load_settings` is the way to get it."""

    GROUPS: ClassVar[tuple[type[BaseModel], ...]] = (
        SchedulerSettings,
        StoreSettings,
        ModelSettings,
        HarnessSettings,
        HttpSettings,
        LogSettings,
    )

    _origins: Mapping[str, str] = PrivateAttr(default_factory=dict)
    _providers: Mapping[str, ProviderSettings] = PrivateAttr(default_factory=dict)

    @property
    def origins(self) -> Mapping[str, str]:
        """Where each setting came from that is not at its default, by name."""
        return self._origins

    @property
    def providers(self) -> Mapping[str, ProviderSettings]:
        """The providers that agents may name, by these names."""
        return self._providers

    @property
    def default_provider(self) -> ProviderSettings:
        """Return what the settings `model_...` say, as of any other provider."""
        said = {name: getattr(self, f"model_{name}") for name in ProviderSettings.model_fields}
        return ProviderSettings.model_construct(**{**said, "base_url": said["base_url"] or OPENAI})

    def harness(self) -> Harness:
        """Return the bounds of agents that have none of their own."""
        bounds, _ = harness_of({name: getattr(self, name) for name in HARNESS_NAMES})
        return Harness(**bounds)

    def shown(self) -> dict[str, Any]:
        """Return each setting as plain data, with secrets masked, in the order of the groups."""
        plain = self.model_dump(mode="json")
        shown = {name: plain[name] for group in self.GROUPS for name in group.model_fields}
        for provider, settings in self._providers.items():
            fields = settings.model_dump(mode="json", exclude_unset=True)
            shown |= {f"{PROVIDERS}.{provider}.{name}": value for name, value in fields.items()}
        return shown
