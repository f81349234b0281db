"""Tries escapes by words on real services, one scheduler and one executor for each configuration."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ablation import words
from ablation.configurations import Configuration
from ablation.trials import Results

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from integration.services import Command, Site, site, wait_for

MARK: Final = "# native\n"
ATTACK_SECONDS: Final = 4
HONEST_SECONDS: Final = 15.0
LOOK_SECONDS: Final = 0.2


def configurations() -> Iterator[Configuration]:
    """Nothing, everything, each alone, each missing."""
    every = frozenset(words.LAYERS)
    yield Configuration("nothing", frozenset())
    yield Configuration("everything", every)
    yield from (Configuration(f"only {layer}", frozenset({layer})) for layer in words.LAYERS)
    yield from (Configuration(f"everything but {layer}", every - {layer}) for layer in words.LAYERS)


def run(
    chosen: Iterable[Configuration],
    *,
    titles: Sequence[str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Results:
    """Try escapes by words (all, or those named) in each configuration."""
    results = Results()
    for configuration in chosen:
        tell(f"words: {configuration.name}")
        for escape in words.ALL:
            if titles is None or escape.title in titles:
                with tempfile.TemporaryDirectory(prefix="statek-ablation-field-") as directory:
                    after = _attack(Path(directory), escape, frozenset(words.LAYERS) - configuration.active)
                results.add(configuration.name, escape.title, "out" if escape.taken(after) else "held", str(after))
    return results


def _attack(directory: Path, escape: words.Words, left_out: frozenset[str]) -> words.Aftermath:
    """Run one attacker's job to its end on services of its own, since it may leave none."""
    notes = directory / "notes"
    with site(directory, f"ipc://{directory}/e.ipc") as place:
        app = place.write(words.application(notes), "app.py")
        policy = place.write(words.POLICY.format(tools=escape.tools), "policy.toml")
        left = ",".join(sorted(left_out))
        serving = ("--store", str(place.store), "--listen", place.endpoint, "--app", str(app))
        scheduler = _start(place, "scheduler", left, "scheduler", *serving)
        wait_for(lambda: scheduler.said("scheduler ready") or scheduler.process.poll() is not None, "a scheduler")
        executor = _start(place, "executor", left, "--connect", place.endpoint, "--workers", "2", "--log-level", "INFO")
        place.welcomed(executor)
        limits = (f"output_bytes={words.OUTPUT_BYTES}", f"wall_seconds={ATTACK_SECONDS}", "cpu_seconds=2")
        options = ("--json", "--policy", str(policy), *(word for limit in limits for word in ("--limit", limit)))
        attack = place.exec_in_background(*options, source=MARK + escape.program)
        out = _said(attack, scheduler)
        lines = notes.read_text().splitlines() if notes.exists() else []
        return words.Aftermath(_result(out), lines, scheduler.process.poll() is None and _serves(place))


def _said(attack: subprocess.Popen[str], scheduler: Command) -> str:
    """What the attacker's command printed, which without a scheduler waits for one for ever."""
    while True:
        try:
            return attack.communicate(timeout=LOOK_SECONDS)[0]
        except subprocess.TimeoutExpired:
            if scheduler.process.poll() is not None:
                attack.kill()


def _start(place: Site, role: str, left_out: str, *arguments: str) -> Command:
    place.environment["PYTHONPATH"] = str(Path(__file__).parents[1])
    return place._start("ablation.lenient", role, left_out, *arguments)


def _result(out: str) -> dict[str, object]:
    return json.loads(out) if out else {"console": ""}


def _serves(place: Site) -> bool:
    try:
        done = place.exec("--json", source="print(6 * 7)", seconds=HONEST_SECONDS)
    except AssertionError:
        return False
    return done.status == 0 and done.json["console"] == "42\n"
