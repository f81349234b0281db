"""Whom the office's agents ask: the model that the settings name, or the scripted one over real HTTP."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from scripted_model import ScriptedModel, load_script

from statek.errors import SettingsRefused
from statek.settings import load_settings

SCRIPT: Final = Path(__file__).parents[2] / "examples" / "office" / "script.toml"
PRICES: Final = Path(__file__).parent / "prices.toml"
MODEL: Final = "office-small"


@dataclass(frozen=True, slots=True)
class ChosenModel:
    """What a scheduler's environment has to say of the model; the script's server where there is one."""

    environment: Mapping[str, str]
    scripted: ScriptedModel | None
    description: str


@contextmanager
def chosen_model() -> Iterator[ChosenModel]:
    """Take the settings' model where they name an endpoint or a key, and else serve the script.

    Raises `SettingsRefused`, also where there is an endpoint and no model.
    """
    settings = load_settings()
    if settings.model_base_url is not None or settings.model_api_key is not None:
        if not settings.model:
            raise SettingsRefused(
                ["model: name one (STATEK_MODEL), or take the endpoint and the key away for the script"]
            )
        yield ChosenModel({}, None, f"{settings.model} at {settings.model_base_url or 'its usual address'}")
        return
    with ScriptedModel(load_script(SCRIPT)) as server:
        environment = {
            "STATEK_MODEL": MODEL,
            "STATEK_MODEL_BASE_URL": server.base_url,
            "STATEK_PRICES_PATH": str(PRICES),
        }
        yield ChosenModel(environment, server, f"the script {SCRIPT.name}, spoken over HTTP at {server.base_url}")
