"""scripts/bench: every bench runs and says what it says in rows. Nothing is asserted about a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from integration.services import Run, gone

ROOT = Path(__file__).parents[2]
ROWS = {
    "compute": {"compute: geometric mean of the ten", "compute: the worst of them", "compute: json"},
    "compiling": {"check + compile: ten statements"},
    "starting": {"locked-down child ready", "first batch, nothing there yet", "first batch, child from the stock"},
    "warm": {"warm batch, compiled before, other core", "warm batch, new source, same core"},
    "memory": {"interpreters without a job", "interpreters after a batch, told to rest"},
    "hop": {"tool call, end to end"},
    "ledger": {"ledger: one event", "ledger: rate of group commits"},
    "commands": {"statek exec, scheduler running"},
    "agents": {"scheduler's CPU, per such job"},
    "neighbours": {"neighbours: median of small jobs", "neighbours: 95th percentile of small jobs"},
}
"""Rows that each bench must have, by the bench's name."""


def bench(*arguments: str) -> Run:
    command = [sys.executable, "-m", "bench.run", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False)
    return Run(done.returncode, done.stdout, done.stderr)


@pytest.mark.parametrize("name", ROWS)
def test_a_bench_measures_something_beside_its_floor_and_leaves_nothing_running(name: str) -> None:
    if name == "memory" and os.geteuid() != 0:
        pytest.skip("only root may see the pages of processes that are not dumpable")
    found = bench(name, "--quick", "--json")
    assert found.status == 0, found.err
    rows = {row["name"]: row for row in found.json["rows"]}
    assert rows.keys() >= ROWS[name]
    assert found.json["quick"] is True
    for row in rows.values():
        assert row["ours"] > 0
        assert (row["ratio"] is None) == (row["floor"] is None) == (row["floor_name"] == "")
        assert (row["met"] is None) == (row["target"] is None)
    gone([process for process in psutil.process_iter() if is_orphan_of_a_bench(process)])


def is_orphan_of_a_bench(process: psutil.Process) -> bool:
    """What a bench would have left: its children lose their parent with it."""
    try:
        ours = any(word in part for part in process.cmdline() for word in ("bench/zygote.py", "statek-bench-"))
        return ours and process.ppid() == 1
    except psutil.Error:
        return False


def test_people_get_a_table_that_says_what_was_compared_with_what() -> None:
    found = bench("compiling", "--quick")
    heading, row, *_ = found.out.splitlines()
    assert heading.split() == ["bench", "ours", "floor", "ratio", "target"]
    assert "compile()" in row
    assert "<= 3.5" in row
    assert "the figures mean nothing" in found.out


def test_a_bench_that_does_not_exist_is_refused_with_the_list_of_those_that_do() -> None:
    found = bench("nothing")
    assert found.status == 2
    assert all(name in found.err for name in ROWS)


def test_the_script_runs_the_same_command() -> None:
    done = subprocess.run(
        [ROOT / "scripts" / "bench", "ledger", "--quick", "--json"],
        cwd="/",
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert json.loads(done.stdout)["rows"]
