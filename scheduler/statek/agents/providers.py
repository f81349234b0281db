"""Whom a model is asked of: an endpoint's address, its key, and how long and how often it is tried."""

from __future__ import annotations

import ipaddress
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from hmac import compare_digest
from pathlib import Path
from typing import Final, Literal, NoReturn
from urllib.parse import SplitResult, urlsplit

from statek.errors import StatekError
from statek.logs.redaction import hide
from statek_protocol.messages.base import MIB, SOURCE_LIMIT

_LONGEST_KEY: Final = 8_192
"""Bytes of a file that holds a key."""
_LONGEST_SECONDS: Final = 24 * 3600.0
_MOST_RETRIES: Final = 20
_MOST_CALLS: Final = 1_000
_LONGEST_REPLY: Final = SOURCE_LIMIT // 2
"""Bytes. What no text can carry becomes escapes of twice its length, and then still has to fit into a record."""


class ProviderUnusable(StatekError):
    """A provider's definition contradicts itself, or its key cannot be had."""


class Secret:
    """A text that is shown by nothing: not by repr, not in a log, not in an error, not in a pickle."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        """Takes a key; raises ProviderUnusable for one that no header could carry."""
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise ProviderUnusable("the key is empty, or has characters that no header can carry: look for line breaks")
        hide(text)
        self._text = text

    def reveal(self) -> str:
        """Return the text. To be called where it is sent, and nowhere else."""
        return self._text

    def __repr__(self) -> str:
        return "Secret(...)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and compare_digest(self._text, other._text)

    def __hash__(self) -> int:
        return hash(Secret)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not pickled")


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """An endpoint that speaks the chat completions API. Raises ProviderUnusable when it is not meant to work."""

    name: str
    base_url: str
    """With the version, like https://api.openai.com/v1."""
    key: Secret | None = None
    """None for an endpoint that wants none."""
    connect_seconds: float = 10.0
    idle_seconds: float = 60.0
    """Between two pieces of a reply, and before the first."""
    total_seconds: float = 600.0
    """For one question with all its attempts, once its turn has come."""
    retries: int = 4
    """Further attempts after one that failed in a way that may pass."""
    backoff_seconds: float = 1.0
    """Before the first further attempt; twice as long before each one after, where the endpoint does not say itself."""
    longest_backoff_seconds: float = 60.0
    concurrency: int = 32
    """Questions at the same time; others wait for their turn."""
    streaming: bool = True
    """The reply is taken piece by piece. Otherwise `idle_seconds` is the time for all of it."""
    reply_limit_name: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    """What the endpoint calls the most tokens that a reply may have; older ones say max_tokens."""
    max_reply_bytes: int = MIB
    """Of a reply's text and code; a longer one is given up."""
    plain_http: bool = False
    """The key may be sent in readable form to another host."""

    def __post_init__(self) -> None:
        if not self.name or not self.name.isprintable():
            raise ProviderUnusable(f"{self.name!r} is no name for a provider")
        self._check_address(_split(self.base_url, self.name))
        for field in ("connect_seconds", "idle_seconds", "total_seconds", "backoff_seconds", "longest_backoff_seconds"):
            self._check_range(field, getattr(self, field), 0.001, _LONGEST_SECONDS)
        self._check_range("retries", self.retries, 0, _MOST_RETRIES)
        self._check_range("concurrency", self.concurrency, 1, _MOST_CALLS)
        self._check_range("max_reply_bytes", self.max_reply_bytes, 1_024, _LONGEST_REPLY)
        if self.reply_limit_name not in ("max_completion_tokens", "max_tokens"):
            raise ProviderUnusable(f"provider {self.name}: reply_limit_name is max_completion_tokens or max_tokens")

    def _check_address(self, url: SplitResult) -> None:
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ProviderUnusable(f"provider {self.name}: the address must begin with https:// or http:// and a host")
        if url.username is not None or url.password is not None or url.query or url.fragment:
            raise ProviderUnusable(f"provider {self.name}: the address has a user, a query or a fragment; use `key`")
        if url.scheme == "http" and self.key is not None and not self.plain_http and not _is_local(url.hostname):
            raise ProviderUnusable(
                f"provider {self.name}: over http:// anybody on the way could read the key: "
                "use https://, leave the key out, or say plain_http"
            )

    def _check_range(self, field: str, value: float, low: float, high: float) -> None:
        if isinstance(value, bool) or not math.isfinite(value) or not low <= value <= high:
            raise ProviderUnusable(f"provider {self.name}: {field} = {value}: from {low:g} to {high:g} is possible")


def key_from_environment(variable: str, environ: Mapping[str, str] = os.environ) -> Secret:
    """Take a key from an environment variable; raises ProviderUnusable."""
    text = environ.get(variable, "").strip()
    if not text:
        raise ProviderUnusable(f"the environment has no {variable} with the key: set it, or name a key file")
    return Secret(text)


def key_from_file(path: Path) -> Secret:
    """Take a key from the first line of a file; raises ProviderUnusable."""
    try:
        with path.open("rb") as file:
            data = file.read(_LONGEST_KEY + 1)
    except OSError as error:
        raise ProviderUnusable(f"the key file {path} cannot be read: {error.strerror}") from error
    if len(data) > _LONGEST_KEY:
        raise ProviderUnusable(f"the key file {path} is longer than {_LONGEST_KEY} bytes, so it holds something else")
    try:
        return Secret(data.decode("ascii").strip())
    except (UnicodeDecodeError, ProviderUnusable):
        raise ProviderUnusable(f"the key file {path} does not hold one key of visible ASCII characters") from None


def _split(address: str, provider: str) -> SplitResult:
    try:
        url = urlsplit(address)
        _ = url.port
    except ValueError:
        raise ProviderUnusable(f"provider {provider}: the address is none") from None
    return url


def _is_local(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
