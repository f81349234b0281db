"""What an executor claims of a batch, however wrong: it is put on record so that it can be read back and told."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from loop_stand import Stand, finished, make_stand

from statek.inspection.store_view import StoreView
from statek.store.ledger import Ledger
from statek_protocol.messages.executor import Lost, Metered
from statek_protocol.messages.interpreter import LimitBreach, Run

MOST = 2**53


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Stand]:
    with Ledger.open(tmp_path / "ledger") as ledger:
        yield make_stand(ledger)


def test_sums_of_what_is_claimed_can_be_read_back(here: Stand) -> None:
    executor = here.executor()
    job = here.submitted(b"a", b"b", b"c").job
    for _ in range(3):
        run = executor.all(Run)[-1]
        executor.send(executor.lease, Metered(run.batch, 1e9, 1e9, MOST, MOST, MOST))
        executor.send(executor.lease, finished(run))
        here.turn()
    done = here.job(job)
    assert (done.status, done.usage.output_bytes, done.usage.calls) == ("DONE", MOST, MOST)


@pytest.mark.parametrize(("allowed", "used"), [(1.0, math.inf), (math.inf, 1.0)])
def test_a_limit_that_no_policy_can_have_ends_nothing_but_the_lease(
    here: Stand, tmp_path: Path, allowed: float, used: float
) -> None:
    executor = here.executor()
    job = here.submitted().job
    executor.send(executor.lease, Lost(executor.all(Run)[-1].batch, "limit", "", LimitBreach("x", allowed, used)))
    here.turn()
    assert here.job(job).limit is None
    json.dumps(StoreView.of(tmp_path / "ledger").job(job).to_plain(), allow_nan=False)
