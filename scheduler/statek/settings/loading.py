"""How the settings become one value: sources over one another, checked as a whole, and every fault told at once."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from pydantic import BaseModel, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from statek.errors import SettingsRefused
from statek.logs.redaction import hide, redacted
from statek.settings.fields import DEFAULT, ProviderSettings, Settings
from statek.settings.former import INSTEAD
from statek.settings.kinds import in_words, takes
from statek.settings.sources import (
    PREFIX,
    PROVIDERS,
    Given,
    Layer,
    file_in_force,
    from_environment,
    from_file,
    from_usual,
    is_secret,
)
from statek_policies.errors import nearest, shown

M = TypeVar("M", bound=BaseModel)

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
    own, providers = _divided(merged)
    settings = _validated(Settings, own)
    settings._providers = {name: _validated(ProviderSettings, layer) for name, layer in providers.items()}
    settings._origins = {name: value.origin for name, value in merged.items()}
    return settings


def _hide_secrets(layers: Iterable[Layer]) -> None:
    """Keep secrets out of every log from here on, those included that another source overrules."""
    for layer in layers:
        for name in filter(is_secret, layer):
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


def _divided(layer: Layer) -> tuple[Layer, dict[str, Layer]]:
    """Tell the settings of providers, by their own names, from all others."""
    own: dict[str, Given] = {}
    providers: dict[str, dict[str, Given]] = {}
    for name, given in layer.items():
        above, _, field = name.rpartition(".")
        table, _, provider = above.partition(".")
        if table == PROVIDERS and provider and given.folder is not None:  # only a file has tables
            providers.setdefault(provider, {})[field] = given
        else:
            own[name] = given
    return own, dict(providers)


def _validated(model: type[M], layer: Layer) -> M:
    folders = {name: given.folder for name, given in layer.items()}
    return model.model_validate({name: given.value for name, given in layer.items()}, context=folders)


def _faults(layer: Layer) -> Iterator[str]:
    """Say what is wrong in one source, also where another one overrules it."""
    own, providers = _divided(layer)
    yield from _faults_in(Settings, own)
    for name, fields in providers.items():
        if name == DEFAULT:
            yield f"{next(iter(fields.values())).place}: that provider is what model_base_url and the like say"
        yield from _faults_in(ProviderSettings, fields)


def _faults_in(model: type[BaseModel], layer: Layer) -> Iterator[str]:
    valid = model.model_fields
    for name in layer:
        if name not in valid:
            yield _unknown(name, layer[name], valid)
    try:
        _validated(model, {name: given for name, given in layer.items() if name in valid})
    except ValidationError as error:
        for name, details in {str(found["loc"][0]): found for found in error.errors()}.items():
            if name in layer:
                yield _malformed(layer[name], valid[name], details)
            else:
                yield f"{next(iter(layer.values())).place}: beside it there has to be a {name}"


def _unknown(name: str, given: Given, fields: Iterable[str]) -> str:
    if name in INSTEAD:
        return f"{given.place}: there is no such setting: {INSTEAD[name]}"
    if name.partition(".")[0] == PROVIDERS:
        return f"{given.place}: a provider is a table [{PROVIDERS}.NAME] of the file, and has a base_url"
    in_environment = given.name.startswith(PREFIX)
    valid = {f"{PREFIX}{field.upper()}" if in_environment else field for field in fields}
    close = nearest(given.name if in_environment else name, valid)
    hint = f"did you mean {close!r}?" if close else "`statek settings` shows those that there are"
    if in_environment and given.name.endswith(_KUBERNETES):
        hint += " (if Kubernetes sets it for a service of that name: enableServiceLinks: false)"
    if isinstance(given.value, dict):
        hint += "; the file has no tables but [providers.NAME], a setting is written as one name"
    return f"{given.place}: there is no such setting; {hint}"


def _malformed(given: Given, field: FieldInfo, details: ErrorDetails) -> str:
    """Say what a setting takes, and what was wrong; a secret's value is not repeated."""
    hint = field.rebuild_annotation()
    reason = details.get("ctx", {}).get("error")
    because = f" ({reason})" if reason is not None else ""
    what = "its value" if takes(hint, SecretStr) else redacted(shown(given.value))
    return f"{given.place}: {what} is not what it takes: {in_words(hint)}{because}"
