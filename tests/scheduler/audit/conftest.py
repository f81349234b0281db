"""Stores whose audit logs tests look at: made by a real loop on a real ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from audit_stores import Store, run_a_batch
from loop_stand import Stand, stand


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """A path for a ledger; nothing is there yet."""
    return Store(tmp_path / "ledger.sqlite3")


@pytest.fixture
def here(store: Store) -> Iterator[Stand]:
    with stand(store.path) as made:
        yield made


@pytest.fixture
def filled(store: Store) -> Store:
    """A store with three jobs and two starts in its log, and nobody on it."""
    for start in range(2):
        with stand(store.path) as made:
            executor = made.executor(workers=9)
            for number in range(start + 1):
                run_a_batch(made, executor, f"key-{start}-{number}")
    assert store.verdict(head_file=True).fault is None
    return store
