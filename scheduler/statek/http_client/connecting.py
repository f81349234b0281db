"""How is a server reached: at which address, with which token, and how long is it waited for?"""

from __future__ import annotations

import ipaddress
from abc import ABC, abstractmethod
from typing import Any, Final, Generic, TypeVar
from urllib.parse import urlsplit

import httpx2

H = TypeVar("H", httpx2.Client, httpx2.AsyncClient)

CONNECT_SECONDS: Final = 10.0


def checked_address(base_url: str, *, plain_http: bool) -> str:
    """Return the address without its last slash; raises ValueError where a token would be sent for all to read."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{base_url!r} is no address of a server: http://127.0.0.1:8700 is one")
    if parts.scheme == "http" and not _is_local(parts.hostname) and not plain_http:
        raise ValueError(f"{base_url} would get the token unencrypted: use https://, or say plain_http=True")
    return base_url.rstrip("/")


class Connected(ABC, Generic[H]):
    """What both clients are: an address, for how long it is tried, and an HTTP client of the one kind or the other."""

    def __init__(
        self,
        base_url: str,
        token: str,
        *,
        timeout_seconds: float = 60.0,
        patience_seconds: float = 60.0,
        plain_http: bool = False,
    ) -> None:
        """`timeout_seconds` is for one request, `patience_seconds` for how long one that fails is sent again.

        Raises ValueError for what is no address, or one to which the token would go unencrypted over a network.
        """
        self._address = checked_address(base_url, plain_http=plain_http)
        self._patience_seconds = patience_seconds
        self._http: H = self._connect(
            base_url=self._address,
            headers={"Authorization": f"Bearer {token}"},
            timeout=httpx2.Timeout(timeout_seconds, connect=CONNECT_SECONDS),
            verify=self._address.startswith("https:"),  # without TLS, reading all certificates would be for nothing
            trust_env=not _is_local(urlsplit(self._address).hostname),  # a proxy would get the token, over a network
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address!r})"

    @abstractmethod
    def _connect(self, **options: Any) -> H:
        """Make the HTTP client."""


def _is_local(host: str | None) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
