"""What an endpoint may look like, and how a local socket is reached whose path is too long for the kernel."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from statek_protocol.errors import ProtocolError

_TCP: Final = re.compile(r"tcp://(?P<host>\[[0-9a-fA-F:]+\]|[A-Za-z0-9_.\-*]+):(?P<port>\d{1,5})")


class InvalidEndpoint(ProtocolError):
    """The endpoint is none that STATEK uses: tcp://HOST:PORT or ipc://PATH."""

    code = "endpoint"

    def __init__(self, endpoint: str, problem: str) -> None:
        super().__init__(f"{endpoint!r} is no endpoint: {problem}; use tcp://HOST:PORT or ipc:///path/to/socket")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A checked endpoint."""

    text: str
    path: Path | None
    """The socket's path, for ipc."""
    host: str | None

    @property
    def encrypted(self) -> bool:
        """Tell whether CURVE is spoken here: always on tcp; a local socket is guarded by its directory's mode."""
        return self.path is None

    @property
    def loopback(self) -> bool:
        """Tell whether a tcp endpoint's host is this machine."""
        if self.host in (None, "localhost"):
            return True
        try:
            return ipaddress.ip_address(str(self.host).strip("[]")).is_loopback
        except ValueError:
            return False


def parse_endpoint(text: str) -> Endpoint:
    """Check an endpoint's form; raises `InvalidEndpoint`."""
    if text.startswith("ipc://"):
        path = text.removeprefix("ipc://")
        if not path or path.startswith("@"):
            raise InvalidEndpoint(text, "a path is needed")
        return Endpoint(text, Path(path).absolute(), None)
    match = _TCP.fullmatch(text)
    if match is None:
        raise InvalidEndpoint(text, "its form is not known")
    if not 0 < int(match["port"]) < 65536:
        raise InvalidEndpoint(text, f"there is no port {match['port']}")
    return Endpoint(text, None, match["host"])


class LocalAddress:
    """An address for ZeroMQ under which a socket file can be bound or connected however long its path is.

    The kernel takes 107 bytes of path. The directory is opened here, and the address goes by way of this process's own
    descriptor for it, which is always short. Keep the object for as long as the socket is in use.
    """

    def __init__(self, path: Path) -> None:
        self._directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self.address = f"ipc:///proc/self/fd/{self._directory}/{path.name}"

    def close(self) -> None:
        os.close(self._directory)
