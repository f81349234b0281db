"""With what the settings have a scheduler started."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from statek.agents.providers import Provider, Secret, key_from_file
from statek.calls.application import Application
from statek.logs.configuring import LogOptions
from statek.models import ModelOptions
from statek.service import ServiceOptions
from statek.settings.fields import OPENAI, Settings
from statek_protocol.transport.endpoints import parse_endpoint

DAY_SECONDS: Final = 86_400


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


def model_provider(settings: Settings) -> Provider | None:
    """Return whom the model is asked of; None when neither an address nor a key is set. Raises `ProviderUnusable`."""
    key = _key(settings)
    if key is None and settings.model_base_url is None:
        return None
    return Provider(
        name="default",
        base_url=settings.model_base_url or OPENAI,
        key=key,
        connect_seconds=settings.model_connect_seconds,
        idle_seconds=settings.model_idle_seconds,
        total_seconds=settings.model_total_seconds,
        retries=settings.model_retries,
        concurrency=settings.model_concurrency,
        streaming=settings.model_streaming,
        reply_limit_name=settings.model_reply_limit_name,
        plain_http=settings.model_plain_http,
    )


def _key(settings: Settings) -> Secret | None:
    if settings.model_api_key is not None:
        return Secret(settings.model_api_key.get_secret_value())
    return None if settings.model_api_key_path is None else key_from_file(settings.model_api_key_path)


def service_options(
    settings: Settings, application: Application | None = None, providers: Sequence[Provider] = ()
) -> ServiceOptions:
    """Return the options of a scheduler; the application is the one that the settings name unless it is given.

    Providers that are given come before the one of the settings. Raises `ProviderUnusable`.
    """
    configured = model_provider(settings)
    return ServiceOptions(
        keys=settings.keys,
        listen=None if settings.listen is None else parse_endpoint(settings.listen),
        workers=settings.workers or os.cpu_count() or 1,
        application=application or Application(settings.app),
        tool_timeout_seconds=settings.tool_timeout_seconds,
        max_concurrency=settings.max_concurrency,
        max_suspended=settings.max_suspended,
        park_seconds=settings.park_seconds,
        max_parked=settings.max_parked,
        copy_seconds=settings.copy_seconds,
        copies_kept=settings.copies_kept,
        compact_factor=settings.compact_factor,
        models=ModelOptions(
            (*providers, *(() if configured is None else (configured,))), settings.model, settings.prices_path
        ),
        retain_seconds=None if settings.retain_days is None else settings.retain_days * DAY_SECONDS,
        harness=settings.harness(),
        context_tokens=settings.context_tokens,
    )
