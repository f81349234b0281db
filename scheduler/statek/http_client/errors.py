"""What a client over HTTP can meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from statek.errors import StatekError


class ServerRefused(StatekError):
    """The server understood and did not do it; its text says why, `code` says it to programs."""

    def __init__(self, status: int, code: str, detail: str, fields: Sequence[Mapping[str, str]] = ()) -> None:
        super().__init__(f"the server refused this ({status} {code}): {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.fields = tuple(fields)
        """What is wrong with which field of the request, as maps with `field` and `reason`."""


class ServerUnreachable(StatekError):
    """The server did not answer for as long as the client was to try; whether it did the last act is not known."""

    def __init__(self, base_url: str, seconds: float, reason: str) -> None:
        super().__init__(f"{base_url} did not answer for {seconds:g} s: {reason}")
        self.base_url = base_url
