"""What the supervisor and the zygote say to each other: one datagram per message, over a SEQPACKET socket pair.

Both ends are ours and start from the same installation, so there is no version; a datagram that does not parse is a
bug of ours and raises `ControlFault`.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final, TypeAlias

from statek_executor.isolation.posture import LayerState, layer_state

DATAGRAM_BYTES: Final = 16 * 1024
"""Above the longest message, a READY with a reason for each missing layer."""
TEXT_CHARACTERS: Final = 2_000
"""Of an error message that crosses."""

_FORK: Final = struct.Struct("<cQ")
_FORKED: Final = struct.Struct("<cQ")
_EXITED: Final = struct.Struct("<cQiidQ")
_REFUSED: Final = struct.Struct("<cQ")
_READY: Final = struct.Struct("<cQQ")


class ControlFault(Exception):
    """A control message that makes no sense: a bug of ours, not of a guest, who cannot write to this socket."""


@dataclass(frozen=True, slots=True)
class Fork:
    """Supervisor to zygote: make a child of this kind and name it by this tag."""

    op: ClassVar[bytes] = b"F"
    tag: int
    kind: str

    def encode(self) -> bytes:
        """The datagram."""
        return _FORK.pack(self.op, self.tag) + self.kind.encode()


@dataclass(frozen=True, slots=True)
class ReadyMessage:
    """Zygote to supervisor, once: walls are up. It carries the zygote's pidfd."""

    op: ClassVar[bytes] = b"R"
    data_bytes: int
    address_bytes: int
    layers: Mapping[str, LayerState]

    def encode(self) -> bytes:
        """The datagram."""
        report = {name: [state.active, state.detail[:TEXT_CHARACTERS]] for name, state in self.layers.items()}
        return _READY.pack(self.op, self.data_bytes, self.address_bytes) + json.dumps(report).encode()


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """Launcher or zygote to supervisor, instead of READY: why there will be no zygote."""

    op: ClassVar[bytes] = b"X"
    reason: str

    def encode(self) -> bytes:
        """The datagram."""
        return self.op + self.reason[:TEXT_CHARACTERS].encode(errors="replace")


@dataclass(frozen=True, slots=True)
class ForkedMessage:
    """Zygote to supervisor: the child exists. It carries the supervisor's end of the child's socket, and its pidfd."""

    op: ClassVar[bytes] = b"C"
    tag: int

    def encode(self) -> bytes:
        """The datagram."""
        return _FORKED.pack(self.op, self.tag)


@dataclass(frozen=True, slots=True)
class RefusedMessage:
    """Zygote to supervisor: there is no such child, and why."""

    op: ClassVar[bytes] = b"N"
    tag: int
    reason: str

    def encode(self) -> bytes:
        """The datagram."""
        return _REFUSED.pack(self.op, self.tag) + self.reason[:TEXT_CHARACTERS].encode(errors="replace")


@dataclass(frozen=True, slots=True)
class ExitedMessage:
    """Zygote to supervisor: a child has ended, and what it used."""

    op: ClassVar[bytes] = b"E"
    tag: int
    exit_code: int | None
    signal: int | None
    cpu_seconds: float
    max_rss_bytes: int

    def encode(self) -> bytes:
        """The datagram."""
        code = -1 if self.exit_code is None else self.exit_code
        return _EXITED.pack(self.op, self.tag, code, self.signal or 0, self.cpu_seconds, self.max_rss_bytes)


FromZygote: TypeAlias = ReadyMessage | FailedMessage | ForkedMessage | RefusedMessage | ExitedMessage


def decode_request(datagram: bytes) -> Fork:
    """Read what the supervisor sent."""
    if datagram[:1] != Fork.op or len(datagram) < _FORK.size:
        raise ControlFault(f"not a request: {datagram[:64]!r}")
    _, tag = _FORK.unpack_from(datagram)
    return Fork(tag, datagram[_FORK.size :].decode(errors="replace"))


def decode_event(datagram: bytes) -> FromZygote:
    """Read what the zygote sent."""
    try:
        return _decode_event(datagram)
    except (struct.error, ValueError) as error:
        raise ControlFault(f"not an event: {datagram[:64]!r}") from error


def _decode_event(datagram: bytes) -> FromZygote:
    match datagram[:1]:
        case ReadyMessage.op:
            _, data_bytes, address_bytes = _READY.unpack_from(datagram)
            report = json.loads(datagram[_READY.size :])
            return ReadyMessage(data_bytes, address_bytes, {name: layer_state(entry) for name, entry in report.items()})
        case FailedMessage.op:
            return FailedMessage(datagram[1:].decode())
        case ForkedMessage.op:
            return ForkedMessage(_FORKED.unpack(datagram)[1])
        case RefusedMessage.op:
            return RefusedMessage(_REFUSED.unpack_from(datagram)[1], datagram[_REFUSED.size :].decode())
        case ExitedMessage.op:
            _, tag, code, signal, cpu_seconds, max_rss_bytes = _EXITED.unpack(datagram)
            return ExitedMessage(tag, None if code < 0 else code, signal or None, cpu_seconds, max_rss_bytes)
    raise ValueError("unknown kind of event")
