"""Which jobs the demonstration runs: their programs, policies and limits, and how each must end."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from demo.expected.tables import weather_csv
from statek_policies import Policy

HERE: Final = Path(__file__).parent
PROGRAMS: Final = HERE / "programs"
REPORTING: Final = str(HERE / "policies" / "reporting.toml")
STRICT_BASE: Final = str(HERE / "policies" / "strict-base.toml")

NOTEBOOK: Final = ("notebook_1", "notebook_2", "notebook_3")
"""The one job of several batches that an agent wrote turn by turn."""

HONEST: Final[Mapping[str, tuple[str, ...]]] = {
    "default": (
        *("monthly_climate", "hottest_days", "dry_spells", "weather_words", "unknown_station", "outliers"),
        *("csv_export", "penguin_summary", "notebook"),
    ),
    "analysis": ("degree_days", "warming_trend", "moving_average", "penguin_neighbours", "penguin_clusters"),
    "strict": ("csv_cleanup", "markov_chain", "typed_events"),
    REPORTING: ("yearly_report", "page_through"),
}
"""Programs by policy. Those under "strict" have no tools: their data comes as a first batch that sets a variable."""

BURNER_LIMITS: Final = {"cpu_seconds": 2.0}
"""Long enough that those who burn processor time do so while the honest jobs run."""
BOMB_LIMITS: Final = {"memory_bytes": 64 * 1024 * 1024}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job must end."""

    outcomes: tuple[str, ...]
    mark: str | None = None
    """The limit that must have been reached, or a rule that must have been broken."""


@dataclass(frozen=True, slots=True)
class DemoJob:
    """One job as it is submitted."""

    name: str
    policy: Policy
    batches: tuple[tuple[str, bytes], ...]
    ending: Ending = Ending(("ok",))
    limits: Mapping[str, float] = field(default_factory=dict)
    hostile: bool = False


_BURNER: Final = Ending(("limit",), "cpu_seconds")

HOSTILE: Final[Mapping[str, tuple[str, Ending, Mapping[str, float]]]] = {
    "endless_loop": ("default", _BURNER, BURNER_LIMITS),
    "stubborn_loop": ("default", _BURNER, BURNER_LIMITS),
    "busy_in_c": ("analysis", _BURNER, BURNER_LIMITS),
    "memory_bomb": ("default", Ending(("limit",), "memory_bytes"), BOMB_LIMITS),
    "output_flood": ("default", Ending(("limit",), "output_bytes"), {}),
    "format_escape": ("strict", Ending(("ok", "blocked"), "format.attribute"), {}),
    "dunder_walk": ("analysis", Ending(("blocked",), "attribute.dunder"), {}),
    "read_files": ("default", Ending(("blocked",), "import.not_offered"), {}),
    "forbidden_tool": (REPORTING, Ending(("error", "blocked")), {}),
}
"""Programs with their policy, their ending, and the limits that differ from the policy's."""


def load_policies(layers: frozenset[str]) -> dict[str, Policy]:
    """Load the policies; where the host lacks what "strict" requires, its name gets the one for the base layers."""
    policies = {name: Policy.load(name) for name in ("default", "analysis", "strict", REPORTING)}
    if not policies["strict"].required_layers <= layers:
        policies["strict"] = Policy.load(STRICT_BASE)
    return policies


def honest_jobs(policies: Mapping[str, Policy]) -> list[DemoJob]:
    """Make the jobs that must succeed."""
    return [
        DemoJob(name, policies[policy], tuple(_batches(name, policy)))
        for policy, names in HONEST.items()
        for name in names
    ]


def hostile_jobs(policies: Mapping[str, Policy]) -> list[DemoJob]:
    """Make the jobs that must be stopped."""
    return [
        DemoJob(name, policies[policy], (_program(f"hostile/{name}"),), ending, limits, hostile=True)
        for name, (policy, ending, limits) in HOSTILE.items()
    ]


def _batches(name: str, policy: str) -> Iterator[tuple[str, bytes]]:
    if policy == "strict":
        yield "data.py", f"weather_csv = {weather_csv('Seattle', 2014)!r}\n".encode()
    yield from map(_program, NOTEBOOK if name == "notebook" else (name,))


def _program(name: str) -> tuple[str, bytes]:
    return f"{name}.py", (PROGRAMS / f"{name}.py").read_bytes()
