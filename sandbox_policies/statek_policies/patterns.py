"""What a field that holds glob patterns means, and which patterns can never mean anything."""

import re
from collections.abc import Collection, Iterable
from fnmatch import fnmatchcase
from typing import Final

from statek_policies.errors import InvalidPolicy, shown, suggestion

EVERYTHING: Final = ("*",)
_LONGEST: Final = 200
_MOST: Final = 1000
_GROUP: Final = re.compile(r"\[!?\]?[^\]]*\]")
"""A group of characters, as fnmatch reads it."""


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Tell whether one of the patterns names it; upper and lower case differ."""
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def matches_member(type_name: str, member: str, patterns: Iterable[str]) -> bool:
    """Tell whether one of the patterns `Type.member` names it; `*` alone is every member of every type."""
    for pattern in patterns:
        types, _, members = pattern.rpartition(".")
        if fnmatchcase(type_name, types or "*") and fnmatchcase(member, members):
            return True
    return False


def checked(field: str, value: object) -> tuple[str, ...]:
    """Take a list of patterns as its author gave it; raises InvalidPolicy."""
    if type(value) not in (list, tuple):
        raise InvalidPolicy(f"{field} must be a list of texts", key=(field,))
    patterns: tuple[object, ...] = tuple(value)  # type: ignore[arg-type]  # a list or a tuple
    if len(patterns) > _MOST:
        raise InvalidPolicy(f"{field} must be at most {_MOST} patterns", key=(field,))
    for index, pattern in enumerate(patterns):
        if type(pattern) is not str:
            raise InvalidPolicy(f"each of {field} must be text, not {shown(pattern)}", key=(field, index))
        if not 0 < len(pattern) <= _LONGEST:
            raise InvalidPolicy(f"each of {field} must be 1 to {_LONGEST} characters", key=(field, index))
        if pattern in patterns[:index]:
            raise InvalidPolicy(f"{field} names {shown(pattern)} twice", key=(field, index))
    return patterns  # type: ignore[return-value]  # each was found to be text


def check_among(field: str, patterns: tuple[str, ...], known: Collection[str], noun: str) -> None:
    """Refuse a pattern that names nothing of what there is."""
    for index, pattern in enumerate(patterns):
        if pattern not in known and not any(fnmatchcase(name, pattern) for name in known):
            meant = suggestion(pattern, known)
            raise InvalidPolicy(f"{field}: {shown(pattern)} is no {noun}; {meant}", key=(field, index))


def check_names(field: str, patterns: tuple[str, ...]) -> None:
    """Refuse a pattern that no Python name can match."""
    for index, pattern in enumerate(patterns):
        if not _can_match_a_name(pattern):
            reason = f"{field}: {shown(pattern)} can match no Python name; use letters, digits, _ and the wildcards * ?"
            raise InvalidPolicy(reason, key=(field, index))


def check_members(field: str, patterns: tuple[str, ...]) -> None:
    """Refuse a pattern that is not `Type.member`, or in which one of the two can match no Python name."""
    for index, pattern in enumerate(patterns):
        types, dot, members = pattern.rpartition(".")
        if pattern in EVERYTHING or (dot and _can_match_a_name(types) and _can_match_a_name(members)):
            continue
        reason = f"{field}: {shown(pattern)} is not a type and a member; write Type.member, Type.* or *.member"
        raise InvalidPolicy(reason, key=(field, index))


def _can_match_a_name(pattern: str) -> bool:
    literal = _GROUP.sub("_", pattern).replace("*", "_").replace("?", "_")
    return bool(literal) and f"_{literal}".isidentifier()


def covers(wide: str, narrow: str) -> bool:
    """Tell whether all that the narrow pattern names is named by the wide one too; False where that is not sure."""
    if wide == narrow:
        return True
    if "?" in wide or "[" in wide or "[" in narrow:
        return False
    return fnmatchcase(narrow, wide)


def covers_member(wide: str, narrow: str) -> bool:
    """Tell the same of two patterns `Type.member`."""
    (wide_types, _, wide_members), (types, _, members) = wide.rpartition("."), narrow.rpartition(".")
    return covers(wide_types or "*", types or "*") and covers(wide_members, members)
