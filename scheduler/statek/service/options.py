"""With what a scheduler is to run, as values: read from nowhere here."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from statek.api.http.server import HttpOptions
from statek.calls.application import Application
from statek.calls.runner import TIMEOUT_SECONDS
from statek.core.agents import CONTEXT_TOKENS, Harness
from statek.loop.placing import MAX_CONCURRENCY, MAX_PARKED, MAX_SUSPENDED, PARK_SECONDS
from statek.loop.queueing import MAX_DEPTH
from statek.service.model_gateway import ModelOptions
from statek.store.compaction import CompactionRules
from statek.store.copying import CopyRules
from statek_protocol.transport.endpoints import Endpoint


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """How a scheduler is to run."""

    keys: Path
    listen: Endpoint | None = None
    """Where executors connect; None for a local pool of the scheduler's own."""
    workers: int = 1
    """Of the local pool."""
    application: Application = field(default_factory=Application)
    """What it offers to guests."""
    tool_timeout_seconds: float = TIMEOUT_SECONDS
    """How long a tool, or an operation on an object, may take unless the tool says otherwise."""
    max_concurrency: int = MAX_CONCURRENCY
    max_suspended: int | None = MAX_SUSPENDED
    """Jobs that may wait for futures at the same time; None for no bound."""
    max_queued: int = MAX_DEPTH
    """Items that one queue may have, its dead letters among them; what comes beyond is refused."""
    passing: bool = False
    """It runs inside a command and ends with it."""
    park_seconds: float = PARK_SECONDS
    """How long a job that waits keeps its interpreter."""
    max_parked: int = MAX_PARKED
    copy_seconds: float = CopyRules().seconds
    """How long after a change the application's dbzero prefixes are copied; 0 for no copies."""
    copies_kept: int = CopyRules().kept
    compact_factor: float = CompactionRules().factor
    """How many times larger than what lives in it dbzero's file of the jobs may be at a start; 0 for any size."""
    retain_seconds: float | None = None
    """How long a job is kept after its end; None for ever."""
    harness: Harness = Harness()  # noqa: RUF009 - frozen
    """What bounds the conversations of agents that do not say it themselves."""
    context_tokens: int = CONTEXT_TOKENS
    """What a prompt may have, for agents that do not say it themselves."""
    http: HttpOptions | None = None
    """How it is to be served over HTTP; None for not at all."""
    models: ModelOptions = ModelOptions()  # noqa: RUF009 - frozen
