"""What it means when an attempt to ask a model ends in an error: of which kind it is, and whether it may pass.

Whatever is told of it has been through the redaction of logs first: endpoints repeat keys in their errors.
"""

from __future__ import annotations

import email.utils
import math
import time
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import openai

from statek.agents.collecting import ReplyUnusable
from statek.agents.requests import FailureKind, ModelFailure
from statek.audit.escaping import shortened, shown
from statek.logs.redaction import redacted

_MESSAGE_CHARACTERS: Final = 300
_CHARACTERS_READ: Final = 100_000
"""Of what an endpoint says; it may be very much."""
_LONGEST_RETRY_AFTER: Final = 24 * 3600.0
_NO_MONEY: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
"""Codes of a 429 that no waiting mends."""

FAULTS: Final = (openai.OpenAIError, ReplyUnusable, OSError, ValueError, RecursionError)
"""What an attempt raises for whatever an endpoint or the network does. ValueError is for JSON and UTF-8 that are none,
RecursionError for JSON that is nested too deep; anything else is a bug of ours."""


def failure_of(error: Exception, provider: str, attempts: int) -> ModelFailure:
    """Say what an error of `FAULTS` means."""
    kind, text, retryable = _meaning(error)
    wait = _retry_after(error.response.headers) if isinstance(error, openai.APIStatusError) else None
    return ModelFailure(kind, told(f"{provider}: {text}"), retryable, attempts, wait)


def told(text: str) -> str:
    """Make a text that anybody may have written fit for an error's message."""
    whole = redacted(" ".join(text[:_CHARACTERS_READ].split()))  # before it is cut: half a key is not known as one
    return shown(shortened(whole, _MESSAGE_CHARACTERS))


def _meaning(error: Exception) -> tuple[FailureKind, str, bool]:
    match error:
        case openai.APIStatusError():
            return _status(error)
        case openai.APITimeoutError():
            return "timeout", "nothing came for too long", True
        case openai.APIConnectionError():
            return "unreachable", f"the connection failed: {_cause(error)}", True
        case openai.APIError():
            return "unreachable", f"an error in the middle of the reply: {error.message}", True
        case ReplyUnusable():
            return "malformed", str(error), error.may_pass
        case RecursionError():
            return "malformed", "the reply is nested too deep", True
        case OSError():
            return "unreachable", f"the connection failed: {error.strerror or type(error).__name__}", True
    return "malformed", "the reply is not what the API documents", True


def _status(error: openai.APIStatusError) -> tuple[FailureKind, str, bool]:
    status = error.status_code
    text = f"HTTP {status}: {_words(error)}"
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        return "rate_limited", text, error.code not in _NO_MONEY
    if status == HTTPStatus.REQUEST_TIMEOUT:
        return "timeout", text, True
    if status == HTTPStatus.CONFLICT or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "unreachable", text, True
    if status < HTTPStatus.BAD_REQUEST:
        return "refused", f"HTTP {status}: the address leads to another; name that one", False
    return "refused", text, False


def _words(error: openai.APIStatusError) -> str:
    """Take what the endpoint says itself, if it has the API's form; a page of HTML tells nobody anything."""
    message = error.body.get("message") if isinstance(error.body, Mapping) else None
    if isinstance(message, str) and message:
        return message
    return error.response.reason_phrase or "without a reason"


def _cause(error: Exception) -> str:
    cause = error.__cause__
    return f"{type(cause).__name__}: {cause}" if cause is not None else str(error)


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Read how long the endpoint wants us to wait: milliseconds, seconds, or a date; None where that makes no sense."""
    for name, divisor in (("retry-after-ms", 1_000.0), ("retry-after", 1.0)):
        try:
            seconds = float(headers[name]) / divisor
        except (KeyError, ValueError):
            continue
        return min(seconds, _LONGEST_RETRY_AFTER) if math.isfinite(seconds) and seconds >= 0 else None
    try:
        moment = email.utils.parsedate_to_datetime(headers.get("retry-after", "")).timestamp()
    except (ValueError, TypeError, OverflowError, OSError):
        return None
    return min(max(0.0, moment - time.time()), _LONGEST_RETRY_AFTER)
