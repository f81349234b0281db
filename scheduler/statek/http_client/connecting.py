"""How is a server reached: at which address, with which token, and how long is it waited for?"""

from __future__ import annotations

import ipaddress
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2

CONNECT_SECONDS: Final = 10.0


def checked_address(base_url: str, *, plain_http: bool) -> str:
    """Return the address without its last slash; raises ValueError where a token would be sent for all to read."""
    parts = urlsplit(base_url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError(f"{base_url!r} is no address of a server: http://127.0.0.1:8700 is one")
    if parts.scheme == "http" and not _is_local(parts.hostname) and not plain_http:
        raise ValueError(f"{base_url} would get the token unencrypted: use https://, or say plain_http=True")
    return base_url.rstrip("/")


def options(address: str, token: str, timeout_seconds: float) -> dict[str, Any]:
    """Return with what a client of httpx2 is made, of either kind."""
    return {
        "base_url": address,
        "headers": {"Authorization": f"Bearer {token}"},
        "timeout": httpx2.Timeout(timeout_seconds, connect=CONNECT_SECONDS),
        "verify": address.startswith("https:"),  # where there is no TLS, reading all certificates would be for nothing
    }


def _is_local(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
