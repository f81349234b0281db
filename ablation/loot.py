"""What is planted for escapes to take, and how it is found out that they took it.

Runs in the stand. The texts to be stolen are new in every stand, and no program holds them; what is to be done to the
outside (a connection, a file, a death) is looked for on the outside.
"""

from __future__ import annotations

import ctypes
import os
import secrets
import select
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, Final, Protocol

HEARING_SECONDS: Final = 0.2
"""What a signal or a connection may take to arrive when nothing holds it up."""
VARIABLE: Final = "STATEK_ABLATION_SECRET"
"""Set for the launcher where its clean start is left out."""
_KEY_ADD: Final = {"x86_64": 248, "aarch64": 217}
_KEY_CONTROL: Final = {"x86_64": 250, "aarch64": 219}
_SESSION_KEYRING: Final = -3
_JOIN_SESSION_KEYRING: Final = 1
_NO_ADDRESS: Final = ctypes.c_void_p(-1).value


class Surroundings(Protocol):
    """What only whoever runs an attacker can see: the zygote, and the attacker's neighbour."""

    def zygote_is_lost(self) -> bool: ...

    def neighbour_has_ended(self) -> bool: ...

    def neighbour_said(self, text: str) -> bool: ...

    def neighbours_memory(self) -> str: ...


class Loot:
    """Everything planted around one stand."""

    surroundings: Surroundings

    def __init__(self, directory: Path) -> None:
        self.token = secrets.token_hex(16)
        self.mark = secrets.token_hex(16)
        """What an escape is told, to leave it where it must not be."""
        self._directory = directory
        self._memory = ctypes.create_string_buffer(self.token.encode())
        self._canary = _start_canary()
        self._listeners: dict[str, socket.socket] = {}
        self.places: dict[str, Any] = {
            "mark": self.mark,
            "variable": VARIABLE,
            "supervisor": os.getpid(),
            "address": ctypes.addressof(self._memory),
            "length": len(self._memory),
            "canary": self._canary.pid,
            "drop": str(directory / "left-behind"),
            "host_name": os.uname().nodename,
            **({"x86_64": True} if os.uname().machine == "x86_64" else {}),
        }

    def plant_files(self) -> None:
        """One file for its owner only and one for everybody, and a program that runs as root for whoever starts it."""
        for name, mode in (("private_file", 0o600), ("public_file", 0o644)):
            path = self._directory / name
            path.write_text(self.token)
            path.chmod(mode)
            self.places[name] = str(path)
        self._directory.chmod(0o1777)

    def plant_listeners(self) -> None:
        """A service on the host's loopback, an abstract socket, and one in the file system."""
        name = f"statek-ablation-{secrets.token_hex(8)}"
        path = str(self._directory / "socket")
        for kind, family, address in (
            ("tcp", socket.AF_INET, ("127.0.0.1", 0)),
            ("abstract", socket.AF_UNIX, f"\0{name}"),
            ("path", socket.AF_UNIX, path),
        ):
            listener = socket.socket(family)
            listener.bind(address)
            listener.listen()
            self._listeners[kind] = listener
        self.places["tcp"] = self._listeners["tcp"].getsockname()[1]
        self.places["abstract"], self.places["path"] = f"\0{name}", path
        os.chmod(path, 0o666)  # noqa: S103  # the socket is for everybody, as many services' are

    def plant_shared_memory(self) -> None:
        """A System V segment of the stand's own user."""
        libc = ctypes.CDLL(None, use_errno=True)
        libc.shmat.restype = ctypes.c_void_p
        identity = libc.shmget(0, len(self.token) + 1, 0o600)
        address = libc.shmat(identity, None, 0)
        if address == _NO_ADDRESS:
            raise OSError(ctypes.get_errno(), "shmat")
        ctypes.memmove(address, self.token.encode(), len(self.token))
        self._segment = identity
        self.places["segment"] = identity

    def plant_key(self) -> None:
        """A key in the session keyring, which whatever we start inherits."""
        libc, machine = ctypes.CDLL(None, use_errno=True), os.uname().machine
        if libc.syscall(_KEY_CONTROL[machine], _JOIN_SESSION_KEYRING, None) == -1:
            raise OSError(ctypes.get_errno(), "keyctl")
        token = self.token.encode()
        serial = libc.syscall(_KEY_ADD[machine], b"user", b"statek-ablation", token, len(token), _SESSION_KEYRING)
        if serial == -1:
            raise OSError(ctypes.get_errno(), "add_key")
        self.places["key"] = serial

    def in_answer(self, answer: object) -> bool:
        """Whether an escape brought the planted text home."""
        return self.token in str(answer)

    def heard(self, kind: str) -> bool:
        """Whether somebody connected to this service and said the mark."""
        listener = self._listeners[kind]
        if not select.select([listener], [], [], HEARING_SECONDS)[0]:
            return False
        caller, _ = listener.accept()
        with caller:
            caller.settimeout(HEARING_SECONDS)
            return self.mark.encode() in caller.recv(len(self.mark))

    def left_behind(self) -> bool:
        """Whether the mark is in a file on the host; the file is taken away again."""
        path = Path(self.places["drop"])
        found = path.exists() and self.mark in path.read_text()
        path.unlink(missing_ok=True)
        return found

    def canary_died(self) -> bool:
        """Whether a process of the host was killed; there is a new one for the next escape."""
        try:
            self._canary.wait(HEARING_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        self._canary = _start_canary()
        self.places["canary"] = self._canary.pid
        return True

    def zygote_was_misled(self) -> bool:
        """Whether the zygote makes no more children as it should."""
        return self.surroundings.zygote_is_lost()

    def neighbour_died(self) -> bool:
        """Whether another interpreter of the same zygote was killed."""
        return self.surroundings.neighbour_has_ended()

    def neighbour_said_the_mark(self) -> bool:
        """Whether the mark came by another interpreter's socket."""
        return self.surroundings.neighbour_said(self.mark)

    def neighbour_changed(self) -> bool:
        """Whether another interpreter now holds the mark where it held what was planted."""
        return self.mark in self.surroundings.neighbours_memory()

    def clear(self) -> None:
        """Take everything away again."""
        for listener in self._listeners.values():
            listener.close()
        self._canary.kill()
        self._canary.wait()
        if "segment" in self.places:
            ctypes.CDLL(None).shmctl(self._segment, 0, None)


def _start_canary() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "1000"], stdin=subprocess.DEVNULL)


@contextmanager
def planted() -> Iterator[Loot]:
    """Loot for the time of a with block."""
    directory = Path(tempfile.mkdtemp(prefix="statek-ablation-"))
    with ExitStack() as cleaning:
        cleaning.callback(shutil.rmtree, directory)
        loot = Loot(directory)
        cleaning.callback(loot.clear)
        loot.plant_files()
        loot.plant_listeners()
        loot.plant_shared_memory()
        loot.plant_key()
        yield loot
