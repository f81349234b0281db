"""Sites for the integration tests: a store and an endpoint of the test's own, over tcp or a local socket."""

from __future__ import annotations

import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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


@contextmanager
def served(directory: Path, endpoint: str) -> Iterator[Site]:
    with site(directory, endpoint) as place:
        place.scheduler()
        place.welcomed(place.executor())
        yield place


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same for all tests of a file: for jobs that are to harm neither these services nor one another."""
    directory = tmp_path_factory.mktemp("shared")
    with served(directory, f"ipc://{directory}/executors.ipc") as place:
        yield place


@pytest.fixture(scope="module")
def shared_over_tcp(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same over tcp, with keys of the file's own."""
    with served(tmp_path_factory.mktemp("shared"), f"tcp://127.0.0.1:{free_port()}") as place:
        yield place


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A directory for what makes stores further down: the name of a socket has 107 bytes at most."""
    with tempfile.TemporaryDirectory(prefix="statek-") as directory:
        yield Path(directory)
