"""A fixture for tests of what makes processes: `from no_process_left import no_process_left` in a conftest."""

from __future__ import annotations

from collections.abc import Iterator

import psutil
import pytest


@pytest.fixture(autouse=True)
def no_process_left() -> Iterator[None]:
    """Fail a test that leaves a process behind."""
    before = set(psutil.Process().children(recursive=True))
    yield
    left = [child for child in psutil.Process().children(recursive=True) if child not in before]
    for child in left:
        child.kill()
    assert not left, f"left behind: {left}"
