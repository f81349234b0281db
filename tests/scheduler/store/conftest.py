"""Fixtures for tests of the store: real SQLite, real dbzero, real processes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent / "support"))

from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger


@pytest.fixture(autouse=True)
def _no_process_is_left() -> Iterator[None]:
    """Fail a test that leaves a process behind."""
    before = {child.pid for child in psutil.Process().children(recursive=True)}
    yield
    left = [child for child in psutil.Process().children(recursive=True) if child.pid not in before]
    for child in left:
        child.kill()
    assert not left, f"left behind: {left}"


@pytest.fixture
def store(tmp_path: Path) -> StoreDirectory:
    """Make an empty store."""
    return StoreDirectory.create_or_open(tmp_path / "store")


@pytest.fixture
def ledger(store: StoreDirectory) -> Iterator[Ledger]:
    """Open the store's ledger."""
    with Ledger.open(store.ledger) as ledger:
        yield ledger
