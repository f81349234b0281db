"""Endpoints are checked by form, long socket paths work, and keys are made once and guarded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import zmq

from statek_protocol.transport.endpoints import InvalidEndpoint, LocalAddress, parse_endpoint
from statek_protocol.transport.keys import (
    EXECUTOR,
    SCHEDULER,
    KeysUnusable,
    authorized_executors,
    default_directory,
    own_pair,
    scheduler_public,
)


@pytest.mark.parametrize("text", ["tcp://127.0.0.1:5555", "tcp://[::1]:5555", "tcp://*:1", "tcp://host.example:65535"])
def test_tcp_endpoints_are_encrypted(text: str) -> None:
    assert parse_endpoint(text).encrypted


def test_local_sockets_are_not() -> None:
    endpoint = parse_endpoint("ipc:///some/where/x.sock")
    assert not endpoint.encrypted
    assert endpoint.path == Path("/some/where/x.sock")


@pytest.mark.parametrize(
    "text",
    ["", "5555", "http://x:1", "tcp://x", "tcp://x:0", "tcp://x:70000", "ipc://", "ipc://@abstract", "inproc://a"],
)
def test_anything_else_is_refused_by_name(text: str) -> None:
    with pytest.raises(InvalidEndpoint, match="tcp://HOST:PORT"):
        parse_endpoint(text)


@pytest.mark.parametrize(
    ("host", "loopback"), [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("10.0.0.1", False), ("h", False)]
)
def test_loopback_is_told_from_the_network(host: str, loopback: bool) -> None:
    assert parse_endpoint(f"tcp://{host}:1").loopback is loopback


def test_a_socket_works_under_a_path_longer_than_the_kernel_takes(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 120) / "x.sock"
    deep.parent.mkdir()
    server, client = LocalAddress(deep), LocalAddress(deep)
    with zmq.Context() as context, context.socket(zmq.PAIR) as bound, context.socket(zmq.PAIR) as connected:
        bound.bind(server.address)
        connected.connect(client.address)
        connected.send(b"hello")
        assert bound.poll(5_000)
        assert bound.recv() == b"hello"
    server.close()
    client.close()


def test_a_pair_is_made_once_and_is_for_its_owner_alone(tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    pair = own_pair(keys, SCHEDULER)
    assert own_pair(keys, SCHEDULER) == pair
    assert (keys / "scheduler.key_secret").stat().st_mode & 0o077 == 0
    assert keys.stat().st_mode & 0o077 == 0
    assert scheduler_public(keys, same_machine=False) == pair.public


MAKE_PAIR = """
import pathlib, sys
from statek_protocol.transport.keys import own_pair
print(own_pair(pathlib.Path(sys.argv[1]), "executor").public.decode())
"""


def test_two_processes_that_start_together_use_one_pair(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-c", MAKE_PAIR, str(tmp_path / "keys")]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(2)]
    keys = {process.communicate(timeout=60)[0] for process in processes}
    assert len(keys) == 1


def test_a_secret_that_others_can_read_is_refused(tmp_path: Path) -> None:
    own_pair(tmp_path, EXECUTOR)
    os.chmod(tmp_path / "executor.key_secret", 0o644)
    with pytest.raises(KeysUnusable, match="chmod 600"):
        own_pair(tmp_path, EXECUTOR)


def test_a_schedulers_key_that_was_not_brought_here_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(KeysUnusable, match=r"scheduler\.key"):
        scheduler_public(tmp_path, same_machine=False)


def test_the_hosts_own_executor_and_those_listed_are_let_in(tmp_path: Path) -> None:
    own = own_pair(tmp_path / "here", EXECUTOR).public
    other = own_pair(tmp_path / "there", EXECUTOR).public
    (tmp_path / "here" / "authorized").mkdir()
    (tmp_path / "there" / "executor.key").rename(tmp_path / "here" / "authorized" / "there.key")
    assert authorized_executors(tmp_path / "here") == {own, other}


def test_keys_have_a_place_even_without_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    assert default_directory().is_absolute()
