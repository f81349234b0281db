"""Benign programs print the same under the language as under plain CPython."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from guest_program import check_runs

PROGRAMS = sorted((Path(__file__).parent / "programs").glob("*.guest"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_prints_what_it_prints_everywhere(program: Path) -> None:
    plain = subprocess.run(
        [sys.executable, "-I", "-X", "utf8", str(program)], capture_output=True, timeout=30, check=True
    )
    assert check_runs(program.read_text("utf-8")) == plain.stdout.decode()
