"""What people ask about a refusal: each rule and each limit, with its reason and a way out, from files of texts."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Final

_FOLDER: Final = files("statek_policies") / "explained"


@dataclass(frozen=True, slots=True)
class Rule:
    """Why something is refused, and what to write."""

    name: str
    forbids: str
    why: str
    instead: str
    refused: str
    """A program that is refused; a remark where no program of a few lines is."""
    works: str
    """One that does the same and is not."""
    under: str = ""
    """The field of the policy, as TOML, under which both are meant; without it any policy will do."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a limit bounds, and how a breach looks from inside."""

    name: str
    bounds: str
    held_by: str
    guest_sees: str
    instead: str


@cache
def rules() -> Mapping[str, Rule]:
    """Return every rule that a refusal can carry, by its name."""
    entries = _entries("rules.toml", "rule")
    return {name: Rule(name, **{**texts, **_examples(texts)}) for name, texts in sorted(entries.items())}


@cache
def limits() -> Mapping[str, Limit]:
    """Return every limit, by its name."""
    return {name: Limit(name, **texts) for name, texts in _entries("limits.toml", "limit").items()}


def _entries(file: str, kind: str) -> dict[str, dict[str, str]]:
    document: dict[str, Any] = tomllib.loads((_FOLDER / file).read_text("utf-8"))
    return {
        name: {key: text for key, text in entry.items() if key != "names"}
        for entry in document[kind]
        for name in entry["names"]
    }


def _examples(texts: Mapping[str, str]) -> dict[str, str]:
    return {name: texts[name].strip("\n") for name in ("refused", "works")}
