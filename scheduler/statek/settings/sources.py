"""Where do settings come from: the environment and a file, read as they stand and not yet understood.

No library is needed for it, so that a command that wants to know only where the store is does not pay for one.

A settings file decides which program a scheduler runs and where its secrets go. One that lies in the working directory
is taken up without being named, so it counts only if nobody but this user, or root, can have written it.
"""

from __future__ import annotations

import os
import pwd
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from statek.errors import SettingsRefused
from statek_policies.errors import UnreadablePolicy
from statek_policies.policy_files import read_document

PREFIX: Final = "STATEK_"
FILE_NAME: Final = "statek.toml"
FILE_VARIABLE: Final = "STATEK_SETTINGS"
USUAL: Final = {"OPENAI_API_KEY": "model_api_key", "OPENAI_BASE_URL": "model_base_url"}
"""Variables that others defined and everybody sets; they count where neither the environment nor the file says more."""
PROVIDERS: Final = "providers"
"""The one table of the file: a table [providers.NAME] for each provider that agents name."""
_SECRETS: Final = ("model_api_key", "api_key")
_FOREIGN_WRITERS: Final = stat.S_IWGRP | stat.S_IWOTH


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was given."""

    value: Any
    origin: str
    """Where, for people: a variable's name, or a file and line."""
    name: str
    """The setting as it is called there."""
    folder: Path | None = None
    """What a relative path in it starts from; None for the working directory."""

    @property
    def place(self) -> str:
        """Say where it was given, so that it can be found and changed."""
        return self.name if self.origin == self.name else f"{self.origin}: {self.name}"


Layer = Mapping[str, Given]
"""What one source says, by the names of settings; those of a provider are called `providers.NAME.FIELD`."""


def is_secret(name: str) -> bool:
    """Tell whether a setting's value is shown to nobody."""
    return name.rpartition(".")[2] in _SECRETS


def from_environment(environment: Mapping[str, str]) -> dict[str, Given]:
    """Read all variables of ours; an empty one counts as not set."""
    return {
        variable.removeprefix(PREFIX).lower(): Given(text, variable, variable)
        for variable, text in environment.items()
        if variable.startswith(PREFIX) and variable != FILE_VARIABLE and text
    }


def from_usual(environment: Mapping[str, str]) -> dict[str, Given]:
    """Read the variables that others defined."""
    return {
        name: Given(environment[variable], variable, variable)
        for variable, name in USUAL.items()
        if environment.get(variable)
    }


def from_file(path: Path) -> dict[str, Given]:
    """Read a settings file; raises `SettingsRefused` when it cannot be read, or somebody else may have written it."""
    try:
        document = read_document(path, check=_check_owner)
    except UnreadablePolicy as error:
        raise SettingsRefused([str(error)]) from None
    folder = path.absolute().parent
    layer = {
        ".".join(key): Given(value, document.where(key), ".".join(key), folder)
        for key, value in _entries(document.fields)
    }
    _check_secrecy(path, layer)
    return layer


def _entries(fields: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Go through the keys of a file, and through those of its tables of providers; an empty table stays one."""
    for name, value in fields.items():
        key = (*above, name)
        if isinstance(value, dict) and value and key[0] == PROVIDERS and len(key) < len((PROVIDERS, "NAME", "FIELD")):
            yield from _entries(value, key)
        else:
            yield key, value


def file_in_force(environment: Mapping[str, str], named: Path | None = None) -> Path | None:
    """Return the settings file that counts, if any: the one that is named, or that of the working directory."""
    if named is not None:
        return named
    if environment.get(FILE_VARIABLE):
        return Path(environment[FILE_VARIABLE])
    return Path(FILE_NAME) if os.path.lexists(FILE_NAME) else None


def store_in_force(environment: Mapping[str, str], named: Path | None = None) -> Path:
    """Return the store that the settings name, or else the user's own; raises `SettingsRefused`."""
    given = from_environment(environment).get("store")
    file = None if given else file_in_force(environment, named)
    if file is not None:
        given = from_file(file).get("store")
    if given is None:
        return default_store(environment)
    if not isinstance(given.value, str) or "\0" in given.value:
        raise SettingsRefused([f"{given.place}: it takes a path"])
    return (given.folder or Path()) / Path(given.value).expanduser()


def default_store(environment: Mapping[str, str]) -> Path:
    """Return the directory of the user's own in which the store is when nothing is said."""
    state = environment.get("XDG_STATE_HOME")
    home = environment.get("HOME") or pwd.getpwuid(os.getuid()).pw_dir
    return Path(state or Path(home) / ".local" / "state") / "statek" / "store"


def _check_owner(found: os.stat_result) -> None:
    if found.st_uid not in (os.geteuid(), 0):
        raise OSError(None, "belongs to another user, who could decide what runs here: make a copy that is yours")
    if found.st_mode & _FOREIGN_WRITERS:
        raise OSError(None, "can be written by other users, who could decide what runs here: chmod go-w")


def _check_secrecy(path: Path, names: Iterable[str]) -> None:
    kept = sorted(filter(is_secret, names))
    if kept and path.stat().st_mode & stat.S_IROTH:
        raise SettingsRefused([f"{path}: holds {kept[0]} and can be read by everybody: chmod o-r {path}"])
