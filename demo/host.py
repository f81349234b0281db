"""What wall this host can put up, found out by trying, as an executor does at its start."""

from __future__ import annotations

from typing import Final

from statek_executor.isolation.posture import Posture
from statek_executor.supervisor.zygote_client import ZygoteClient, probe_posture
from statek_policies.rules import BASE_LAYERS

PROBE_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0


class HostUnfit(Exception):
    """The host lacks a layer that every policy requires; the text says which, and what the probe found."""


def probe_host() -> Posture:
    """Probe the layers from inside; raises `HostUnfit` when one of the base is missing."""
    zygote = ZygoteClient()
    zygote.start()
    try:
        posture = probe_posture(zygote, PROBE_SECONDS)
    finally:
        zygote.stop(STOP_SECONDS)
    missing = sorted(BASE_LAYERS - posture.active)
    if missing:
        raise HostUnfit("\n".join(f"{name}: {posture.layers[name].detail}" for name in missing))
    return posture
