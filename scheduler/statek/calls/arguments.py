"""Reading a call's arguments, which a hostile interpreter may have written."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from statek_policies import Limits
from statek_protocol.references import PlainReferences, Reference
from statek_protocol.values import decode_value


@dataclass(frozen=True, slots=True)
class Arguments:
    """The arguments of one call, with references in the places of objects."""

    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    has_references: bool


class _Noting(PlainReferences):
    """Leaves references as they are, and remembers whether there was one."""

    def __init__(self) -> None:
        self.met = False

    def resolve(self, reference: Reference) -> object:
        self.met = True
        return reference


def read_arguments(data: bytes, limits: Limits) -> Arguments:
    """Read the pair of a tuple and a dict; raises `MalformedValue`, or TypeError for another value."""
    noting = _Noting()
    value = decode_value(data, max_bytes=limits.argument_bytes, max_depth=limits.argument_depth, crossing=noting)
    match value:
        case (tuple() as args, dict() as kwargs) if all(type(name) is str for name in kwargs):
            return Arguments(args, kwargs, noting.met)
    raise TypeError("a tuple and a dict of arguments are needed")
