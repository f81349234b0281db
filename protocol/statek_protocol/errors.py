"""What can be wrong with bytes that another process sent, one class per situation."""

from __future__ import annotations


class ProtocolError(Exception):
    """The root: somebody sent what the protocol does not allow. The receiver refuses it, counts it and goes on."""

    code = "protocol"
    """A short stable name under which the receiver counts the refusal."""


class OversizedMessage(ProtocolError):
    """The frame is larger than its kind may be; nothing of it was decoded."""

    code = "oversized"

    def __init__(self, size: int, allowed: int) -> None:
        super().__init__(f"a message of {size} bytes; at most {allowed} are allowed")
        self.size = size
        self.allowed = allowed


class MalformedMessage(ProtocolError):
    """The bytes are not one msgpack map of the form that messages have."""

    code = "malformed"


class UnknownKind(ProtocolError):
    """A message kind that this receiver does not take from this sender."""

    code = "unknown_kind"

    def __init__(self, kind: str) -> None:
        super().__init__(f"unknown message kind {kind[:64]!r}")
        self.kind = kind


class InvalidField(ProtocolError):
    """A field is missing, unknown, of another type, or out of its bounds."""

    code = "invalid_field"

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path
        self.problem = problem


class IncompatibleVersion(ProtocolError):
    """The peer speaks another version of the protocol: install the same release on both sides."""

    code = "version"

    def __init__(self, ours: int, theirs: int) -> None:
        super().__init__(
            f"protocol version {theirs} offered, version {ours} spoken here: "
            f"install the same STATEK release for scheduler and executor"
        )
        self.ours = ours
        self.theirs = theirs


class ConnectionEnded(ProtocolError):
    """The stream ended, between two frames or inside one."""

    code = "ended"
