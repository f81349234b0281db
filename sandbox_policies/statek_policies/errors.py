"""What can be wrong with a policy, one class per situation that its author can act upon."""

from collections.abc import Iterable


def nearest(name: str, valid: Iterable[str]) -> str | None:
    """Find the valid name that the author most likely meant."""
    from difflib import get_close_matches  # only a mistake pays for its import

    found = get_close_matches(name, list(valid), n=1, cutoff=0.5)
    return found[0] if found else None


def _meant(name: str, valid: Iterable[str]) -> str:
    choices = sorted(valid)
    close = nearest(name, choices)
    return f"did you mean {close!r}?" if close else f"choose from {', '.join(choices)}"


class PolicyError(Exception):
    """The root: a policy cannot be used as it is written. Its author must change it."""


class UnknownProfile(PolicyError):
    """A name that is neither a profile of ours nor the path of a TOML file."""

    def __init__(self, name: str, valid: Iterable[str], *, place: str | None = None) -> None:
        self.name = name
        self.nearest = nearest(name, valid)
        where = f"{place}: " if place else ""
        super().__init__(f"{where}no profile is called {name!r}; {_meant(name, valid)}")


class UnreadablePolicy(PolicyError):
    """A policy file that cannot be read or is not TOML."""

    def __init__(self, place: str, reason: str) -> None:
        self.place = place
        self.reason = reason
        super().__init__(f"{place}: {reason}")


class InvalidPolicy(PolicyError):
    """A field whose value cannot be meant, or two fields that contradict each other."""

    def __init__(self, reason: str, *, place: str | None = None) -> None:
        self.reason = reason
        self.place = place
        super().__init__(f"{place}: {reason}" if place else reason)


class UnknownField(InvalidPolicy):
    """A field that no policy has."""

    def __init__(self, name: str, valid: Iterable[str], *, place: str | None = None) -> None:
        self.name = name
        self.nearest = nearest(name, valid)
        super().__init__(f"unknown field {name!r}; {_meant(name, valid)}", place=place)


class UnknownLimit(InvalidPolicy):
    """A limit that does not exist."""

    def __init__(self, name: str, valid: Iterable[str], *, place: str | None = None) -> None:
        self.name = name
        self.nearest = nearest(name, valid)
        super().__init__(f"unknown limit {name!r}; {_meant(name, valid)}", place=place)


class InvalidLimit(InvalidPolicy):
    """A limit with an impossible value."""

    def __init__(self, name: str, value: object, wanted: str, *, place: str | None = None) -> None:
        self.name = name
        self.value = value
        self.wanted = wanted
        super().__init__(f"{name} = {value!r}: {wanted}", place=place)
