"""What can be wrong with a policy, one class per situation that its author can act upon."""

from collections.abc import Iterable
from typing import TypeAlias

KeyPath: TypeAlias = tuple[str | int, ...]
"""Where in a policy something is: the names of tables and fields, then the place in a list, from 0."""

_LONGEST_SHOWN = 120
_LONGEST_COMPARED = 200
"""Of a name that is held against the valid ones; the comparison takes time that grows with its square."""


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Find the valid name that the author most likely meant."""
    from difflib import get_close_matches  # only a mistake pays for its import

    found = get_close_matches(name[:_LONGEST_COMPARED], list(valid), n=1, cutoff=0.5)
    return found[0] if found else None


def suggestion(name: str, valid: Iterable[str]) -> str:
    """Say which valid name was most likely meant, or which there are."""
    choices = sorted(valid)
    close = nearest(name, choices)
    return f"did you mean {close!r}?" if close else f"choose from {', '.join(choices)}"


def shown(value: object) -> str:
    """Write down a value that somebody else chose: on one line, without control characters, and not at any length."""
    try:
        text = repr(value)
    except ValueError:  # CPython writes down no number of more than some thousand digits
        return "a number of thousands of digits"
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


class PolicyError(Exception):
    """The root: a policy cannot be used as it is written. Its author must change it."""


class UnknownProfile(PolicyError):
    """A name that is neither a profile of ours nor the path of a TOML file."""

    def __init__(self, name: str, valid: Iterable[str], *, place: str | None = None) -> None:
        self.name = name
        self.nearest = nearest(name, valid)
        where = f"{place}: " if place else ""
        super().__init__(f"{where}no profile is called {shown(name)}; {suggestion(name, valid)}")


class UnreadablePolicy(PolicyError):
    """A policy file that cannot be read or is not TOML."""

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        self.reason = reason
        super().__init__(f"{place}: {reason}")


class InvalidPolicy(PolicyError):
    """A field whose value cannot be meant, or two fields that contradict each other."""

    def __init__(self, reason: str, *, key: KeyPath = ()) -> None:
        self.reason = reason
        self.key = key
        """Which field it is about."""
        self.place: str | None = None
        """The file and line, set by whoever has read the policy from a file."""
        super().__init__(reason)

    def __str__(self) -> str:
        return f"{self.place}: {self.reason}" if self.place else self.reason


class UnknownField(InvalidPolicy):
    """A field that no policy has."""

    def __init__(self, name: str, valid: Iterable[str]) -> None:
        self.name = name
        self.nearest = nearest(name, valid)
        super().__init__(f"unknown field {shown(name)}; {suggestion(name, valid)}", key=(name,))


class UnknownLimit(InvalidPolicy):
    """A limit that does not exist."""

    def __init__(self, name: str, valid: Iterable[str]) -> None:
        self.name = name
        self.nearest = nearest(name, valid)
        super().__init__(f"unknown limit {shown(name)}; {suggestion(name, valid)}", key=("limits", name))


class InvalidLimit(InvalidPolicy):
    """A limit with an impossible value."""

    def __init__(self, name: str, value: object, wanted: str) -> None:
        self.name = name
        self.value = value
        super().__init__(f"{name} = {shown(value)}: {wanted}", key=("limits", name))
