"""The layers as switches, and the configurations in which every escape is tried. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from statek_policies import LAYERS
from statek_policies.rules import BASE_LAYERS

LANGUAGE: Final = ("compile", "runtime")
"""The layers that are the language's: the strict compile path, and the guards with the namespace they belong to."""
PROCESS: Final = "process"
"""A process for each job; without it one guest follows another in the same interpreter."""
START: Final = "start"
"""The launcher is started with an environment of our making; without it the supervisor's is passed on."""
KERNEL: Final = (START, *LAYERS)
EVERY: Final = (*LANGUAGE, PROCESS, *KERNEL)

_NAMESPACES: Final = ("netns", "pidns", "ipcns", "mntns", "utsns")
_CARRIERS: Final = {
    "seccomp": ("no_new_privs",),
    "landlock": ("no_new_privs",),
    **dict.fromkeys(_NAMESPACES, ("userns",)),
}
"""What an ordinary user needs before the kernel lets them have a layer; root needs nothing."""


@dataclass(frozen=True, slots=True)
class Configuration:
    """Which layers stand in one trial, and under which name the trial is told of."""

    name: str
    active: frozenset[str]

    @property
    def left_out(self) -> frozenset[str]:
        """The layers of the host that the launcher leaves out."""
        return frozenset(LAYERS) - self.active


NOTHING: Final = Configuration("nothing", frozenset())
EVERYTHING: Final = Configuration("everything", frozenset(EVERY))
BASE: Final = Configuration("base", frozenset({*LANGUAGE, PROCESS, START, *BASE_LAYERS}))
"""What the default profile asks of a host, and not a layer more."""
ALL_OF_THE_KERNEL: Final = Configuration("kernel", frozenset(KERNEL))


def alone(layer: str, *, root: bool) -> Configuration:
    """One layer and no other but those without which the kernel does not give it."""
    carriers = () if root else _CARRIERS.get(layer, ())
    return Configuration(f"only {layer}", frozenset({layer, *carriers}))


def without(layer: str, base: Configuration = EVERYTHING) -> Configuration:
    """Everything but one layer."""
    return Configuration(f"{base.name} but {layer}", base.active - {layer})


def of_native_code(*, root: bool) -> Iterator[Configuration]:
    """The trials of an attacker who runs native code: the language is gone by assumption."""
    kernel = Configuration("everything", ALL_OF_THE_KERNEL.active)
    base = Configuration("base", BASE.active - {*LANGUAGE, PROCESS})
    yield from (NOTHING, kernel, base)
    yield from (alone(layer, root=root) for layer in KERNEL)
    yield from (without(layer, kernel) for layer in KERNEL)
    yield from (without(layer, base) for layer in KERNEL if layer in base.active)


def of_guest_programs() -> Iterator[Configuration]:
    """The trials of guest programs: the language's layers one by one, and all of the kernel's as one wall."""
    wall = ALL_OF_THE_KERNEL.active
    parts = {**{layer: frozenset({layer}) for layer in (*LANGUAGE, PROCESS)}, "kernel": wall}
    yield from (NOTHING, EVERYTHING)
    yield from (Configuration(f"only {name}", layers) for name, layers in parts.items())
    yield from (Configuration(f"everything but {name}", EVERYTHING.active - layers) for name, layers in parts.items())
