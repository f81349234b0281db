"""What the posture of this host is, for somebody who asks and runs no pool here.

Runs in a process of its own, with a zygote that serves for nothing else.
"""

from __future__ import annotations

from typing import Final, TypedDict

from statek_executor.isolation.posture import Posture
from statek_executor.supervisor.zygote_client import ZygoteClient, probe_posture

PROBE_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0


class LayerDescription(TypedDict):
    """One layer of `describe_posture`."""

    active: bool
    detail: str


def find_posture() -> Posture:
    """Start a zygote, probe each layer from inside its children and end it; raises `ZygoteFailed` or `ProbeFailed`."""
    zygote = ZygoteClient()
    zygote.start()
    try:
        return probe_posture(zygote, PROBE_SECONDS)
    finally:
        zygote.stop(STOP_SECONDS)


def describe_posture(posture: Posture) -> dict[str, LayerDescription]:
    """The posture as other programs read it."""
    return {name: {"active": state.active, "detail": state.detail} for name, state in posture.layers.items()}
