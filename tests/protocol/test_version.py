"""The four distributions are one release."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from statek_protocol.version import RELEASE

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("folder", ["protocol", "sandbox_policies", "executor", "scheduler"])
def test_each_distribution_has_the_release_number_and_asks_for_it_of_its_siblings(folder: str) -> None:
    project = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())["project"]
    assert project["version"] == RELEASE
    siblings = [name for name in project["dependencies"] if name.startswith("statek-")]
    assert all(name.endswith(f"=={RELEASE}") for name in siblings)
