"""Fixtures for tests of the store: real SQLite, real dbzero, real processes."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from no_process_left import no_process_left  # noqa: F401 - a fixture

sys.path.insert(0, str(Path(__file__).parent / "support"))

from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger


@pytest.fixture
def store(tmp_path: Path) -> StoreDirectory:
    """Make an empty store."""
    return StoreDirectory.create_or_open(tmp_path / "store")


@pytest.fixture
def ledger(store: StoreDirectory) -> Iterator[Ledger]:
    """Open the store's ledger."""
    with Ledger.open(store.ledger) as ledger:
        yield ledger


@pytest.fixture
def written(store: StoreDirectory, template: Path) -> StoreDirectory:
    """Give a test a store of its own like the one that its module has made as a template."""
    shutil.copytree(template, store.path, dirs_exist_ok=True)
    return store
