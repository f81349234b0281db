"""The state in which each layer of a host's isolation was found; policies name the layers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from statek_policies import LAYERS


@dataclass(frozen=True, slots=True)
class LayerState:
    """Whether one layer holds on this host."""

    active: bool
    detail: str
    """How it was proved; or what is missing, and how to get it."""


@dataclass(frozen=True, slots=True)
class Posture:
    """The layers of one host as its probes found them."""

    layers: Mapping[str, LayerState]

    def __post_init__(self) -> None:
        if set(self.layers) != set(LAYERS):
            raise ValueError(f"a posture states each of {', '.join(LAYERS)}; got {', '.join(sorted(self.layers))}")
        ordered = {name: self.layers[name] for name in LAYERS}
        object.__setattr__(self, "layers", MappingProxyType(ordered))

    @property
    def active(self) -> frozenset[str]:
        """The layers that a policy may count on."""
        return frozenset(name for name, state in self.layers.items() if state.active)

    def to_wire(self) -> dict[str, list[bool | str]]:
        """The posture as plain values: {name: [active, detail]}."""
        return {name: [state.active, state.detail] for name, state in self.layers.items()}

    @classmethod
    def from_wire(cls, value: object) -> Posture:
        """Read what `to_wire` wrote; raises ValueError on anything else."""
        match value:
            case dict():
                return cls({str(name): layer_state(entry) for name, entry in value.items()})
            case _:
                raise ValueError(f"a posture is a map, not {type(value).__name__}")


def layer_state(entry: object) -> LayerState:
    """Read one `[active, detail]` pair; raises ValueError on anything else."""
    match entry:
        case [bool() as active, str() as detail]:
            return LayerState(active, detail)
        case _:
            raise ValueError("a layer's state is a pair of a truth value and a text")
