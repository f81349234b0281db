"""How a policy is put together: a profile of ours by name or a file by path, each extending another."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from statek_policies.errors import InvalidPolicy, UnknownField, UnknownLimit, UnknownProfile, shown
from statek_policies.limits import Limits
from statek_policies.policy import FIELDS, Policy
from statek_policies.policy_files import Document, parse_document, read_document

_FILE_FIELDS: Final = ("extends", "description", *FIELDS)
_LONGEST_CHAIN: Final = 8
_PROFILES = files("statek_policies") / "profiles"
DEFAULT: Final = "default"
"""The origin of what nothing in the chain says."""


@dataclass(frozen=True, slots=True)
class Traced:
    """A policy, and for each of its fields who said so."""

    policy: Policy
    origins: Mapping[str, str]
    """By the field's name (`limits.calls` for a limit): `profile 'strict':4`, `team/base.toml:2`, or `default`."""
    description: str
    """What the outermost file says of itself."""


def profile_names() -> tuple[str, ...]:
    """List the profiles in the package, sorted."""
    return tuple(sorted(entry.name[:-5] for entry in _PROFILES.iterdir() if entry.name.endswith(".toml")))


def load_policy(name_or_path: str | os.PathLike[str]) -> Policy:
    """Read the policy and everything that it extends; raises a PolicyError."""
    return trace_policy(name_or_path).policy


def trace_policy(name_or_path: str | os.PathLike[str]) -> Traced:
    """Read the same, and keep in mind who said what."""
    chain = _chain(os.fspath(name_or_path))
    policy = Policy()
    origins = dict.fromkeys((*FIELDS[:1], *(f"limits.{name}" for name in Limits.names()), *FIELDS[2:]), DEFAULT)
    for document in reversed(chain):
        policy = _applied(policy, document)
        origins |= _said_by(document)
    return Traced(policy, origins, chain[0].fields.get("description", ""))


def _chain(name_or_path: str) -> list[Document]:
    """Read the file that was asked for, then what it extends, and so on."""
    chain = [_profile(name_or_path) or _file(name_or_path)]
    while "extends" in chain[-1].fields:
        document = _extended(chain[-1], within=chain[0].folder)
        places = [earlier.place for earlier in chain]
        if document.place in places or len(chain) >= _LONGEST_CHAIN:
            trail = " -> ".join((*places, document.place))
            what = "extends itself" if document.place in places else f"is the start of more than {_LONGEST_CHAIN} files"
            raise _invalid(chain[-1], f"{what}: {trail}")
        chain.append(document)
    return chain


def _profile(name: str) -> Document | None:
    if name not in profile_names():
        return None
    text = (_PROFILES / f"{name}.toml").read_text("utf-8")
    return parse_document(text, place=f"profile {name!r}", stem=name, folder=None)


def _file(path: str) -> Document:
    if not _is_path(path):
        raise UnknownProfile(path, profile_names())
    return read_document(Path(path))


def _extended(document: Document, within: Path | None) -> Document:
    """Read what a document extends: a profile, or a file in or below the folder of the file that was asked for.

    Whoever may write a policy file must not choose what else of this machine is read, and quoted in an error.
    """
    extends = document.fields["extends"]
    if type(extends) is not str:
        raise _invalid(document, "extends must be the name of a profile or a path")
    profile = _profile(extends)
    if profile is not None:
        return profile
    if document.folder is None or within is None or not _is_path(extends):
        raise UnknownProfile(extends, profile_names(), place=document.where(("extends",)))
    try:
        path = document.folder / extends
        real, home = os.path.realpath(path), os.path.realpath(within)
    except ValueError as error:  # a path with a NUL
        raise _invalid(document, f"extends {shown(extends)}: {error}") from error
    if os.path.commonpath((real, home)) != home:
        reason = f"extends {shown(extends)}, which is outside the folder of the file that was asked for; copy it there"
        raise _invalid(document, reason)
    return read_document(path)


def _is_path(text: str) -> bool:
    return os.sep in text or text.endswith(".toml")


def _invalid(document: Document, reason: str) -> InvalidPolicy:
    error = InvalidPolicy(reason, key=("extends",))
    error.place = document.where(error.key)
    return error


def _applied(parent: Policy, document: Document) -> Policy:
    try:
        return _built(parent, document)
    except InvalidPolicy as error:
        error.place = document.where(error.key)
        raise


def _built(parent: Policy, document: Document) -> Policy:
    given = dict(document.fields)
    for name in given:
        if name not in _FILE_FIELDS:
            raise UnknownField(name, _FILE_FIELDS)
    limits = given.pop("limits", {})
    if type(limits) is not dict:
        raise InvalidPolicy("limits must be a table", key=("limits",))
    for name in limits:
        if name not in Limits.names():
            raise UnknownLimit(name, Limits.names())
    if type(given.pop("description", "")) is not str:
        raise InvalidPolicy("description must be text", key=("description",))
    given.pop("extends", None)
    return parent.changed(limits, {"name": document.stem, **given})


def _said_by(document: Document) -> dict[str, str]:
    """Return the origin of each field that a document sets; its name it always does."""
    fields: dict[str, Any] = {"name": document.stem, **document.fields}
    said = {name: document.where((name,)) for name in fields if name in FIELDS and name != "limits"}
    limits = document.fields.get("limits", {})
    return said | {f"limits.{name}": document.where(("limits", name)) for name in limits}
