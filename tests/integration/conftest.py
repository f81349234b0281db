"""Sites for the integration tests: a store and an endpoint of the test's own, over tcp or a local socket."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.services import Site, site

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # As in a job in the background of a shell. Commands that are started from here would ignore interrupts as well.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def local(tmp_path: Path) -> Iterator[Site]:
    """Services over a local socket."""
    with site(tmp_path, f"ipc://{tmp_path}/executors.ipc") as place:
        yield place


@pytest.fixture
def over_tcp(tmp_path: Path) -> Iterator[Site]:
    """Services over tcp, with keys of the test's own."""
    with site(tmp_path, f"tcp://127.0.0.1:{free_port()}") as place:
        yield place


@pytest.fixture
def running(local: Site) -> Site:
    """A scheduler and an executor, started separately and connected."""
    local.scheduler()
    local.welcomed(local.executor())
    return local
