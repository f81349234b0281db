"""How the settings become one value: sources over one another, checked as a whole, and every fault told at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr, ValidationError
from pydantic_core import ErrorDetails

from statek.errors import SettingsRefused
from statek.logs.redaction import hide, redacted
from statek.settings.fields import Settings
from statek.settings.former import INSTEAD
from statek.settings.kinds import in_words, takes
from statek.settings.sources import (
    PREFIX,
    SECRETS,
    Given,
    Layer,
    file_in_force,
    from_environment,
    from_file,
    from_usual,
)
from statek_policies.errors import nearest, shown

_FIELDS: Final = Settings.model_fields
_KUBERNETES: Final = ("_PORT", "_SERVICE_HOST", "_SERVICE_PORT", "_TCP", "_UDP", "_PROTO", "_ADDR")
"""How variables end that Kubernetes sets for each of its services, in every container."""


def load_settings(file: Path | None = None, *, environment: Mapping[str, str] | None = None, **given: Any) -> Settings:
    """Put the settings together: what is given, over the environment, over the file, over the defaults.

    A given None counts as not given. `file` is a path that the user named; else STATEK_SETTINGS, else statek.toml in
    the working directory if there is one. Raises `SettingsRefused` with all that is wrong in any of the sources.
    """
    environment = os.environ if environment is None else environment
    faults: list[str] = []
    layers = [from_usual(environment), _read_file(environment, file, faults), from_environment(environment)]
    layers.append({name: Given(value, "argument", name) for name, value in given.items() if value is not None})
    for layer in layers:
        faults += _faults(layer)
    _hide_secrets(layers)
    if faults:
        raise SettingsRefused(faults)
    merged: Layer = {name: value for layer in layers for name, value in layer.items()}
    settings = _validated(merged)
    settings._origins = {name: value.origin for name, value in merged.items()}
    return settings


def _hide_secrets(layers: Iterable[Layer]) -> None:
    """Keep secrets out of every log from here on, those included that another source overrules."""
    for layer in layers:
        for name in SECRETS.intersection(layer):
            hide(str(layer[name].value))


def _read_file(environment: Mapping[str, str], named: Path | None, faults: list[str]) -> Layer:
    path = file_in_force(environment, named)
    if path is None:
        return {}
    try:
        return from_file(path)
    except SettingsRefused as error:
        faults += error.faults
        return {}


def _validated(layer: Layer) -> Settings:
    folders = {name: given.folder for name, given in layer.items()}
    return Settings.model_validate({name: given.value for name, given in layer.items()}, context=folders)


def _faults(layer: Layer) -> Iterator[str]:
    """Say what is wrong in one source, also where another one overrules it."""
    for name in layer:
        if name not in _FIELDS:
            yield _unknown(name, layer[name])
    try:
        _validated({name: given for name, given in layer.items() if name in _FIELDS})
    except ValidationError as error:
        for name, details in {str(found["loc"][0]): found for found in error.errors()}.items():
            yield _malformed(name, layer[name], details)


def _unknown(name: str, given: Given) -> str:
    if name in INSTEAD:
        return f"{given.place}: there is no such setting: {INSTEAD[name]}"
    in_environment = given.name.startswith(PREFIX)
    valid = [f"{PREFIX}{field.upper()}" if in_environment else field for field in _FIELDS]
    close = nearest(given.name, valid)
    hint = f"did you mean {close!r}?" if close else "`statek settings` shows those that there are"
    if in_environment and given.name.endswith(_KUBERNETES):
        hint += " (if Kubernetes sets it for a service of that name: enableServiceLinks: false)"
    if isinstance(given.value, dict):
        hint += "; the file has no tables, a setting is written as one name"
    return f"{given.place}: there is no such setting; {hint}"


def _malformed(name: str, given: Given, details: ErrorDetails) -> str:
    """Say what a setting takes, and what was wrong; a secret's value is not repeated."""
    hint = _FIELDS[name].rebuild_annotation()
    reason = details.get("ctx", {}).get("error")
    because = f" ({reason})" if reason is not None else ""
    what = "its value" if takes(hint, SecretStr) else redacted(shown(given.value))
    return f"{given.place}: {what} is not what it takes: {in_words(hint)}{because}"
