"""The demonstration as a stranger runs it: everything comes out as it should, and nothing is left behind."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[2]
DEADLINE_SECONDS = 60.0
INTERRUPTED = 130
PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture
def no_orphans() -> Iterator[None]:
    """Fail if a process is left: for the time of a test, whatever loses its parent becomes a child of this process."""
    libc = ctypes.CDLL(None)
    before = {process.pid for process in psutil.Process().children(recursive=True)}
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
        left = [process for process in psutil.Process().children(recursive=True) if process.pid not in before]
        _, alive = psutil.wait_procs(left, timeout=0)  # what the demonstration kills is ours to wait for, as init does
        assert not alive
    finally:
        libc.prctl(PR_SET_CHILD_SUBREAPER, 0)


def start(temporary: Path, *parts: str) -> subprocess.Popen[str]:
    """Start it without what our own environment says of models and settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "STATEK_"))}
    return subprocess.Popen(
        [sys.executable, "-m", "demo.run", *parts],
        cwd=ROOT,
        env={**kept, "TMPDIR": str(temporary), "COLUMNS": "150", "TERM": "dumb"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def row_of(shown: str, job: str) -> str:
    """The job's line in the table at the end."""
    _, _, table = shown.partition("All jobs, side by side")
    found = re.search(rf"^ *{job} .*$", table, re.MULTILINE)
    assert found, f"{job} is not in the table"
    return found[0]


@pytest.mark.usefixtures("no_orphans")
def test_every_job_of_the_demonstration_ends_as_it_should(short_path: Path) -> None:
    with start(short_path) as demo:
        shown, _ = demo.communicate(timeout=DEADLINE_SECONDS)
    assert demo.returncode == 0, shown
    assert "WRONG" not in shown
    assert "statek-executor --connect" in shown
    for job, ending in {
        "notebook": r"default +ok",
        "typed_events": r"strict(-base)? +ok",
        "yearly_report": r"reporting +ok",
        "penguin_neighbours": r"analysis +ok",
        "busy_in_c": r"limit +cpu_seconds",
        "memory_bomb": r"limit +memory_bytes",
        "output_flood": r"limit +output_bytes",
        "format_escape": r"format\.attribute",
        "read_files": r"blocked +import\.not_offered",
    }.items():
        assert re.search(ending, row_of(shown, job)), row_of(shown, job)
    for course in (
        r"planning  +14:00 -> 09:00 -> 10:00",
        r"jordan's subtask  +researcher  +ok",
        r"mallory  +dispatcher  +limit",
        r"kill  +job-\w+ +batch=5 cause=limit",
    ):
        assert re.search(course, shown), course
    good = re.findall(r"^  ok  ", shown, re.MULTILINE)
    assert len(good) == 9 + 29, "9 about the office; 19 honest jobs, 9 hostile ones, the reports"
    assert list(short_path.iterdir()) == []


@pytest.mark.usefixtures("no_orphans")
@pytest.mark.parametrize(("part", "mark"), [("office", "kim asks"), ("crowd", "busy_in_c")])
def test_an_interrupted_demonstration_leaves_nothing_behind(short_path: Path, part: str, mark: str) -> None:
    with start(short_path, part) as demo:
        assert demo.stdout is not None
        shown = []
        for line in demo.stdout:
            shown.append(line)
            if mark in line:
                break
        assert demo.poll() is None, "".join(shown)
        demo.send_signal(signal.SIGINT)
        rest, _ = demo.communicate(timeout=DEADLINE_SECONDS)
    assert demo.returncode == INTERRUPTED, rest
    assert "Traceback" not in rest
    assert list(short_path.iterdir()) == []
