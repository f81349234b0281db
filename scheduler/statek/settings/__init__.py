"""How STATEK is configured: by arguments, the environment, a file and defaults, in this order.

loading    serving      the settings as one value; what a scheduler is started with by them
fields     kinds        what can be set; which values that takes, in words
sources    former       where values come from (no pydantic here); names that others knew

Whoever starts something reads the settings and hands values on; no part below reads them itself.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from statek.errors import SettingsRefused

if TYPE_CHECKING:
    from statek.settings.fields import Settings
    from statek.settings.loading import load_settings

__all__ = ["Settings", "SettingsRefused", "load_settings"]

_LATER = {"Settings": "statek.settings.fields", "load_settings": "statek.settings.loading"}
"""What needs pydantic, and is imported when it is asked for."""


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'statek.settings' has no attribute {name!r}")
    return getattr(importlib.import_module(_LATER[name]), name)
