"""With what the settings have a scheduler started."""

from __future__ import annotations

import os
from typing import Final

from statek.calls.application import Application
from statek.logs.configuring import LogOptions
from statek.service import ServiceOptions
from statek.settings.fields import Settings
from statek_protocol.transport.endpoints import parse_endpoint


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


DAY_SECONDS: Final = 86_400


def service_options(settings: Settings, application: Application | None = None) -> ServiceOptions:
    """Return the options of a scheduler; the application is the one that the settings name unless it is given."""
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
        retain_seconds=None if settings.retain_days is None else settings.retain_days * DAY_SECONDS,
    )
