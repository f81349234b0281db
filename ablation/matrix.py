"""What the trials mean for each escape, and how people read it. Pure.

A layer *stops* an escape if that is held with no other layer, and an escape *hangs on* a layer if it gets out as soon
as that one is missing. An escape that hangs on no layer is held by at least two that are independent of each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from ablation.configurations import KERNEL, LANGUAGE, PROCESS
from ablation.trials import Results

STOPS, DOES_NOT, HANGS, NOBODY = "■", "·", "!", "?"
ACCEPTED: Final = {"take more memory than allowed": ("rlimits",)}
"""What may hang on one layer; docs/ablation.md says why."""
GUEST_LAYERS: Final = (*LANGUAGE, PROCESS, "kernel")


@dataclass(frozen=True, slots=True)
class Finding:
    """One escape under one account."""

    title: str
    is_real: bool
    """It gets out when no layer stands."""
    held: bool
    """It is held when every layer stands."""
    stopped_by: tuple[str, ...]
    hangs_on: tuple[str, ...]
    hangs_on_in_base: tuple[str, ...]
    """The same for the layers that the default profile asks for, and no others."""
    untried: tuple[str, ...]
    """Layers that cannot stand alone here: a child that has only them gives up before it begins."""


def findings(results: Results, layers: Sequence[str]) -> list[Finding]:
    """Weigh the ends of every escape that was tried with nothing in its way."""
    return [_finding(results, title, layers) for title in results.ends["nothing"]]


def _finding(results: Results, title: str, layers: Sequence[str]) -> Finding:
    def end(configuration: str) -> str | None:
        return results.ends.get(configuration, {}).get(title)

    return Finding(
        title,
        is_real=end("nothing") == "out",
        held=end("everything") == "held",
        stopped_by=tuple(layer for layer in layers if end(f"only {layer}") == "held"),
        hangs_on=tuple(layer for layer in layers if end(f"everything but {layer}") == "out"),
        hangs_on_in_base=tuple(layer for layer in layers if end(f"base but {layer}") == "out"),
        untried=tuple(layer for layer in layers if end(f"only {layer}") == "nobody"),
    )


def table(found: Iterable[Finding], layers: Sequence[str], *, base: bool) -> str:
    """The matrix as Markdown."""
    headings = ["escape", *layers, "gets out without", *(["default profile: gets out without"] if base else [])]
    lines = [headings, ["---", *[":-:"] * len(layers), *["---"] * (len(headings) - len(layers) - 1)]]
    for finding in found:
        cells = [finding.title, *(_cell(finding, layer) for layer in layers), _names(finding.hangs_on)]
        lines.append([*cells, *([_names(finding.hangs_on_in_base)] if base else [])])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def _cell(finding: Finding, layer: str) -> str:
    alone = NOBODY if layer in finding.untried else STOPS if layer in finding.stopped_by else DOES_NOT
    return alone + (HANGS if layer in finding.hangs_on else "")


def _names(layers: Sequence[str]) -> str:
    return ", ".join(layers) or "nothing"


def problems(found: Iterable[Finding]) -> list[str]:
    """What is not as it must be: an escape that is none, one that is not held, or one that hangs on one layer."""
    said = []
    for finding in found:
        if not finding.is_real:
            said.append(f"{finding.title}: does not get out even when no layer stands, so it shows nothing")
        elif not finding.held:
            said.append(f"{finding.title}: GETS OUT although every layer stands")
        elif finding.hangs_on != ACCEPTED.get(finding.title, ()):
            accepted = _names(ACCEPTED.get(finding.title, ()))
            said.append(f"{finding.title}: gets out without {_names(finding.hangs_on)}; expected: {accepted}")
    return said


def columns(kind: str) -> tuple[str, ...]:
    """The layers that a kind of escape is tried against."""
    return KERNEL if kind == "native" else GUEST_LAYERS
