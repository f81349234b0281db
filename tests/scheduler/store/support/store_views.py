"""All jobs as their views from the ledger tell them, and as their dbzero objects do, in one form."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from crashsweep.told import told_of
from store_mirrors import PATIENCE

from statek.inspection.store_view import StoreView
from statek.store.mirror import Mirror


def from_ledger(ledger: Path) -> dict[str, dict[str, Any]]:
    """Tell all jobs as their views do."""
    return {view.name: told_of(view) for view in StoreView.of(ledger).find(limit=1_000).jobs}


def from_objects(mirror: Mirror) -> dict[str, dict[str, Any]]:
    """Tell all jobs as their objects do."""

    def read() -> dict[str, dict[str, Any]]:
        from statek.store.objects import Root

        return {job.job: told_of(job) for job in Root().jobs.values()}

    return mirror.submit(read).result(PATIENCE)
