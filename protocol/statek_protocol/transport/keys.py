"""CURVE key pairs on disk, laid out like a user's ssh directory, and who is let in by them.

    KEYS/scheduler.key          the scheduler's public key: copy it to every executor host
    KEYS/scheduler.key_secret   stays with the scheduler
    KEYS/executor.key           this host's public key: copy it to the scheduler's KEYS/authorized/
    KEYS/executor.key_secret    stays with the executor
    KEYS/authorized/*.key       further executors that the scheduler lets in

Where scheduler and executor are run by one user on one machine they share the directory, and nothing is to be copied.
Everything on tcp is encrypted and both sides are authenticated; there is no switch to go without.
"""

from __future__ import annotations

import fcntl
import os
import pwd
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import zmq
import zmq.auth

from statek_protocol.errors import ProtocolError

SCHEDULER: Final = "scheduler"
EXECUTOR: Final = "executor"


class KeysUnusable(ProtocolError):
    """A key that is needed is missing, unreadable, or open to other users."""

    code = "keys"


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE key pair in ZeroMQ's text form."""

    public: bytes
    secret: bytes


def default_directory() -> Path:
    """Return the user's own key directory; the password database stands in for a missing HOME."""
    configured = os.environ.get("XDG_CONFIG_HOME")
    home = os.environ.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    return Path(configured or Path(home) / ".config") / "statek" / "keys"


def own_pair(directory: Path, role: str) -> KeyPair:
    """Read a role's key pair, making it at first use; raises `KeysUnusable`."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        secret_file = directory / f"{role}.key_secret"
        with _locked(directory):
            if not secret_file.exists():
                _create(directory, role)
        if stat.S_IMODE(secret_file.stat().st_mode) & 0o077:
            raise KeysUnusable(f"{secret_file} can be read by others: chmod 600 {secret_file}")
        public, secret = zmq.auth.load_certificate(secret_file)
    except (OSError, ValueError) as error:
        raise KeysUnusable(f"the key pair {role} in {directory} cannot be used: {error}") from error
    if secret is None:
        raise KeysUnusable(f"{secret_file} holds no secret key: remove it and it is made again")
    return KeyPair(public, secret)


def scheduler_public(directory: Path, *, same_machine: bool) -> bytes:
    """Read the key by which an executor knows its scheduler; raises `KeysUnusable` where it was not brought here."""
    file = directory / f"{SCHEDULER}.key"
    if not file.exists() and same_machine:
        return own_pair(directory, SCHEDULER).public
    try:
        return zmq.auth.load_certificate(file)[0]
    except (OSError, ValueError) as error:
        raise KeysUnusable(f"the scheduler's public key is needed at {file}: copy its {file.name} there") from error


def authorized_executors(directory: Path) -> frozenset[bytes]:
    """Read the public keys of all executors that may connect, this host's own among them."""
    files = [directory / f"{EXECUTOR}.key", *sorted((directory / "authorized").glob("*.key"))]
    return frozenset(zmq.auth.load_certificate(file)[0] for file in files if file.exists())


def _create(directory: Path, role: str) -> None:
    umask = os.umask(0o077)
    try:
        zmq.auth.create_certificates(directory, role)
    finally:
        os.umask(umask)


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Hold the directory, so that a scheduler and an executor that start together do not both make a pair."""
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        fcntl.flock(fd, fcntl.LOCK_EX)
        yield
    finally:
        os.close(fd)
