"""An application reads the same of a job from its dbzero object as from the ledger: field by field, event by event."""

from __future__ import annotations

import pytest
from store_histories import ENDS, talks, ticks
from store_mirrors import PATIENCE, mirror_of
from store_views import from_ledger, from_objects

from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger


@pytest.mark.parametrize("life", [*ENDS, "of batches alone"])
def test_the_object_and_the_view_of_a_job_tell_the_same(store: StoreDirectory, ledger: Ledger, life: str) -> None:
    with mirror_of(store) as mirror:
        for tick in talks("job-1", life) if life in ENDS else ticks("job-1"):
            mirror.notify(ledger.append(tick.records, tick.jobs, tick.blobs)[-1])
            assert mirror.wait_until(ledger.last_cursor, PATIENCE)
            assert from_objects(mirror) == from_ledger(store.ledger)
