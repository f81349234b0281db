"""How a policy is read from TOML: a profile of ours by name or a file by path, each extending another."""

import os
import re
import tomllib
from importlib.resources import files
from pathlib import Path
from typing import Any

from statek_policies.errors import (
    InvalidLimit,
    InvalidPolicy,
    UnknownField,
    UnknownLimit,
    UnknownProfile,
    UnreadablePolicy,
)
from statek_policies.limits import Limits
from statek_policies.policy import Policy

_FIELDS = ("extends", "name", "description", "required_layers", "imports", "tools", "limits")
_DEEPEST_EXTENDS = 8
_PROFILES = files("statek_policies") / "profiles"


def profile_names() -> tuple[str, ...]:
    """List the profiles in the package, sorted."""
    return tuple(sorted(entry.name[:-5] for entry in _PROFILES.iterdir() if entry.name.endswith(".toml")))


def load_policy(name_or_path: str | os.PathLike[str]) -> Policy:
    """Read the policy and everything that it extends."""
    return _load(os.fspath(name_or_path), base=Path(), trail=())


def _load(name_or_path: str, base: Path, trail: tuple[str, ...]) -> Policy:
    place, text, folder = _read(name_or_path, base, trail[-1] if trail else None)
    if place in trail or len(trail) >= _DEEPEST_EXTENDS:
        raise InvalidPolicy(f"extends itself: {' -> '.join((*trail, place))}", place=place)
    document = _parse(place, text)
    parent = _parent(document, place, text, folder, trail)
    try:
        return _build(document, parent, name_or_path)
    except (UnknownField, UnknownLimit, InvalidLimit, InvalidPolicy) as error:
        raise _placed(error, place, text) from error


def _read(name_or_path: str, base: Path, asker: str | None) -> tuple[str, str, Path]:
    if name_or_path in profile_names():
        return f"profile {name_or_path!r}", (_PROFILES / f"{name_or_path}.toml").read_text("utf-8"), base
    if os.sep not in name_or_path and not name_or_path.endswith(".toml"):
        raise UnknownProfile(name_or_path, profile_names(), place=asker)
    path = base / name_or_path
    try:
        return str(path), path.read_text("utf-8"), path.parent
    except OSError as error:
        raise UnreadablePolicy(str(path), error.strerror or "cannot be read") from error
    except UnicodeDecodeError as error:
        raise UnreadablePolicy(str(path), "is not UTF-8 text") from error


def _parse(place: str, text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UnreadablePolicy(place, str(error)) from error


def _parent(document: dict[str, Any], place: str, text: str, folder: Path, trail: tuple[str, ...]) -> Policy:
    if "extends" not in document:
        return Policy()
    extends = document["extends"]
    if type(extends) is not str:
        raise InvalidPolicy("extends must be the name of a profile or a path", place=_line(place, text, "extends"))
    return _load(extends, folder, (*trail, place))


def _build(document: dict[str, Any], parent: Policy, name_or_path: str) -> Policy:
    for key in document:
        if key not in _FIELDS:
            raise UnknownField(key, _FIELDS)
    if type(document.get("description", "")) is not str:
        raise InvalidPolicy("description must be text")
    limits = document.get("limits", {})
    if type(limits) is not dict:
        raise InvalidPolicy("limits must be a table")
    wire = parent.to_wire() | {"name": Path(name_or_path).stem}
    wire |= {key: document[key] for key in ("name", "required_layers", "imports", "tools") if key in document}
    _check_limit_names(limits)
    return Policy.from_wire(wire | {"limits": parent.limits.to_wire() | limits})


def _check_limit_names(limits: dict[str, Any]) -> None:
    for name in limits:
        if name not in Limits.names():
            raise UnknownLimit(name, Limits.names())


def _placed(error: InvalidPolicy, place: str, text: str) -> InvalidPolicy:
    """Say the same error with the file and the line that it is about."""
    match error:
        case _ if error.place is not None:
            return error
        case UnknownLimit():
            return UnknownLimit(error.name, Limits.names(), place=_line(place, text, error.name))
        case UnknownField():
            return UnknownField(error.name, _FIELDS, place=_line(place, text, error.name))
        case InvalidLimit():
            return InvalidLimit(error.name, error.value, error.wanted, place=_line(place, text, error.name))
        case _:
            return InvalidPolicy(error.reason, place=_line(place, text, _field_of(error.reason)))


def _field_of(reason: str) -> str:
    return next((name for name in _FIELDS if name in reason), "")


def _line(place: str, text: str, key: str) -> str:
    """Add the line where the key is set; a key may be written bare, quoted, or as a table's heading."""
    setting = re.compile(rf"""\s*\[?\s*["']?{re.escape(key)}["']?\s*[=\].]""")
    for number, line in enumerate(text.splitlines(), 1):
        if key and setting.match(line):
            return f"{place}:{number}"
    return place
