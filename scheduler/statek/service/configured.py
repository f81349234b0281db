"""With what the settings have a scheduler started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from statek.agents.providers import Provider, Secret, key_from_file
from statek.api.http.server import HttpOptions
from statek.calls.application import Application
from statek.logs.configuring import LogOptions
from statek.service.model_gateway import ModelOptions
from statek.service.options import ServiceOptions
from statek.settings.fields import DEFAULT, ProviderSettings, Settings
from statek_protocol.transport.endpoints import parse_endpoint

DAY_SECONDS: Final = 86_400
TOKENS_FILE: Final = "tokens.toml"
"""In the store's directory, unless the setting http_tokens_path names another place."""


def log_options(settings: Settings) -> LogOptions:
    """Return how the settings want a scheduler to log."""
    return LogOptions(
        level=settings.log_level,
        format=settings.log_format,
        directory=settings.logs_path,
        file_bytes=settings.log_file_bytes,
        files_kept=settings.log_files_kept,
        job_bytes=settings.job_log_bytes,
        retain_days=settings.job_logs_retain_days,
    )


def model_providers(settings: Settings) -> tuple[Provider, ...]:
    """Return whom models are asked of, that of agents which name none first; raises `ProviderUnusable`.

    There is none for these when neither an address nor a key is set.
    """
    named = tuple(_named(name, said) for name, said in settings.providers.items())
    default = _named(DEFAULT, settings.default_provider)
    return named if default.key is None and settings.model_base_url is None else (default, *named)


def _named(name: str, said: ProviderSettings) -> Provider:
    others = said.model_dump(exclude={"api_key", "api_key_path"})
    return Provider(name=name, key=_key(said.api_key, said.api_key_path), **others)


def _key(text: SecretStr | None, path: Path | None) -> Secret | None:
    if text is not None:
        return Secret(text.get_secret_value())
    return None if path is None else key_from_file(path)


def service_options(
    settings: Settings, application: Application | None = None, providers: Sequence[Provider] | None = None
) -> ServiceOptions:
    """Return the options of a scheduler; the application is the one that the settings name unless it is given.

    Providers that are given come before those of the settings, and take the place of those of the same name. Raises
    `ProviderUnusable`.
    """
    given = tuple(providers or ())
    names = {provider.name for provider in given}
    others = [provider for provider in model_providers(settings) if provider.name not in names]
    return ServiceOptions(
        keys=settings.keys,
        listen=None if settings.listen is None else parse_endpoint(settings.listen),
        workers=settings.workers or os.cpu_count() or 1,
        application=application or Application(settings.app),
        tool_timeout_seconds=settings.tool_timeout_seconds,
        max_concurrency=settings.max_concurrency,
        max_suspended=settings.max_suspended,
        max_queued=settings.max_queued,
        park_seconds=settings.park_seconds,
        max_parked=settings.max_parked,
        copy_seconds=settings.copy_seconds,
        copies_kept=settings.copies_kept,
        compact_factor=settings.compact_factor,
        models=ModelOptions((*given, *others), settings.model, settings.prices_path),
        retain_seconds=None if settings.retain_days is None else settings.retain_days * DAY_SECONDS,
        harness=settings.harness(),
        context_tokens=settings.context_tokens,
        http=_http(settings),
    )


def _http(settings: Settings) -> HttpOptions | None:
    if not settings.http_enabled:
        return None
    return HttpOptions(tokens_path(settings), settings.http_host, settings.http_port, settings.http_max_body_bytes)


def tokens_path(settings: Settings) -> Path:
    """Return the file of the tokens with which clients come over HTTP."""
    return settings.http_tokens_path or settings.store / TOKENS_FILE
