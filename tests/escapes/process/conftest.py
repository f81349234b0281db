"""A scheduler and an executor pool to attack."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.services import site

sys.path.insert(0, str(Path(__file__).parent / "support"))

from battlefields import APP, SUPPORT, Battlefield


@pytest.fixture(scope="module")
def battlefield(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Battlefield]:
    """Services on which native code runs where an interpreter should; one attack after another meets the same ones."""
    directory = tmp_path_factory.mktemp("field")
    environment = {"PYTHONPATH": str(SUPPORT)}
    with site(directory, f"ipc://{directory}/executors.ipc", environment=environment) as place:
        scheduler = place.scheduler("--app", str(place.write(APP, "app.py")))
        arguments = ("--connect", place.endpoint, "--workers", "3", "--log-level", "INFO")
        executor = place.welcomed(place._start("hostile_executor", *arguments))
        field = Battlefield(place, scheduler, executor)
        assert field.attack("attack.send(Console(attack.run.batch, b'native'))\nattack.finish()")["console"] == "native"
        yield field
