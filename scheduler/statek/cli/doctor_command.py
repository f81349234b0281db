"""statek doctor: which isolation layers this host has, how to get those that it lacks, and which profiles it can serve.

Nothing is taken from configuration: an executor of this installation starts a zygote, whose children try what each
layer forbids. A host on which that cannot be done has no layer that anybody has seen.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Final

import click

from statek.audit.escaping import shown
from statek_policies import LAYERS, Policy

DEFAULT_PROFILE: Final = "default"
PROBE_SECONDS: Final = 120.0
"""The executor's own limits, for the zygote's start and for its probes, are shorter and say more."""
NARROWEST_COLUMNS: Final = 60
WIDEST_COLUMNS: Final = 120

_KERNEL: Final = "use Linux 5.13 or later on x86-64 or aarch64, with seccomp filters, and not a kernel in user space"


@dataclass(frozen=True, slots=True)
class Explanation:
    """What people need to know of a layer."""

    purpose: str
    """What guests cannot do because of it."""
    remedy: str | None = None
    """How to get it; None where the executor's own words say so, because it depends on what the kernel answered."""


EXPLANATIONS: Final[Mapping[str, Explanation]] = {
    "no_new_privs": Explanation("gain rights, by a set-uid program or a capability", _KERNEL),
    "rlimits": Explanation("use more memory, processor time or descriptors than allowed", _KERNEL),
    "seccomp": Explanation("make any system call but the dozen that computing needs", _KERNEL),
    "landlock": Explanation("open files, connect over TCP, or signal or trace any other process"),
    "fds": Explanation("reach a descriptor other than the channel to the supervisor", _KERNEL),
    "environment": Explanation("read environment variables or the session's keys, where secrets often are", _KERNEL),
    "uid": Explanation("act as root or as the executor's user"),
    "userns": Explanation("have a user number that means anything outside, or gain rights in a user namespace"),
    "netns": Explanation("see a network"),
    "pidns": Explanation("see or signal processes of the host"),
    "ipcns": Explanation("reach shared memory or message queues of the host"),
    "mntns": Explanation("see the host's file system"),
    "utsns": Explanation("learn the host's name"),
    "nondumpable": Explanation("be read or traced by another process of the same user", _KERNEL),
}


@dataclass(frozen=True, slots=True)
class Layer:
    """What the probes found of one layer."""

    active: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Profile:
    """Whether jobs under one profile can run here."""

    ok: bool
    missing: tuple[str, ...]


class ProbeImpossible(Exception):
    """The executor could not probe this host; the text is its own last words."""


@click.command("doctor", short_help="Say which isolation layers this host has.")
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
def doctor_command(as_json: bool) -> None:
    """Probe each isolation layer of this host, say how to get what is missing, and which profiles can be served.

    Exit status: 0 if jobs under the default profile can run here, 1 otherwise.
    """
    layers = _probe()
    profiles = {name: _fit(Policy.load(name), layers) for name in Policy.profiles()}
    if as_json:
        click.echo(json.dumps(_as_json(layers, profiles)))
    else:
        columns = shutil.get_terminal_size((100, 24)).columns
        lines = _page(layers, profiles, min(max(columns, NARROWEST_COLUMNS), WIDEST_COLUMNS))
        click.echo("\n".join(shown(line, keep="\n") for line in lines))
    sys.exit(0 if profiles[DEFAULT_PROFILE].ok else 1)


def _probe() -> dict[str, Layer]:
    """Every layer as probes find it now; where there can be no probe, none is there."""
    try:
        found = _ask_executor()
    except ProbeImpossible as reason:
        return {name: Layer(False, f"not probed: {reason}") for name in EXPLANATIONS}
    assert found.keys() == set(LAYERS) == EXPLANATIONS.keys(), "executor, policies and this page know the same layers"
    return {name: _with_remedy(found[name], explanation.remedy) for name, explanation in EXPLANATIONS.items()}


def _with_remedy(layer: Layer, remedy: str | None) -> Layer:
    return layer if layer.active or remedy is None else Layer(False, f"{layer.detail}; {remedy}")


def _ask_executor() -> dict[str, Layer]:
    """Have an executor process of this installation find the posture; raises `ProbeImpossible`."""
    command = [sys.executable, "-P", "-m", "statek_executor", "--posture"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PROBE_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise ProbeImpossible(f"the executor gave no answer within {PROBE_SECONDS:.0f} s") from None
    if done.returncode != 0:
        words = done.stderr.strip().splitlines() or [f"the executor ended with status {done.returncode}"]
        raise ProbeImpossible(words[-1].removeprefix("statek-executor: "))
    return {name: Layer(state["active"], state["detail"]) for name, state in json.loads(done.stdout).items()}


def _fit(policy: Policy, layers: Mapping[str, Layer]) -> Profile:
    missing = tuple(name for name in layers if name in policy.required_layers and not layers[name].active)
    return Profile(not missing, missing)


def _as_json(layers: Mapping[str, Layer], profiles: Mapping[str, Profile]) -> dict[str, object]:
    return {
        "host": platform.node(),
        "layers": {name: asdict(layer) for name, layer in layers.items()},
        "profiles": {name: asdict(profile) for name, profile in profiles.items()},
    }


def _page(layers: Mapping[str, Layer], profiles: Mapping[str, Profile], columns: int) -> Iterator[str]:
    """The lines for people."""
    yield f"{platform.node()}: {platform.system()} {platform.release()}, {platform.machine()}, user {os.geteuid()}"
    yield ""
    width = max(map(len, layers)) + 2
    yield f"  {'layer':<{width}}{'state':<9}what a guest cannot do because of it"
    for name, layer in layers.items():
        yield f"  {name:<{width}}{'active' if layer.active else 'MISSING':<9}{EXPLANATIONS[name].purpose}"
    yield from _reasons(layers, columns)
    yield ""
    yield "  profile"
    for name, profile in profiles.items():
        verdict = "can be served" if profile.ok else f"cannot be served: lacks {', '.join(profile.missing)}"
        yield f"  {name:<{width}}{verdict}"


def _reasons(layers: Mapping[str, Layer], columns: int) -> Iterator[str]:
    """Why each missing layer is missing and how to get it; layers that share a reason are told of together."""
    shared: dict[str, list[str]] = {}
    for name, layer in layers.items():
        if not layer.active:
            shared.setdefault(layer.detail, []).append(name)
    for reason, names in shared.items():
        yield ""
        who = "every layer" if len(names) == len(layers) else ", ".join(names)
        yield textwrap.fill(
            f"{who}: {reason}", columns, initial_indent="  ", subsequent_indent="    ", break_on_hyphens=False
        )
