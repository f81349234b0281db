"""Jobs without a command of their own: where a test has many, starting `statek exec` would take most of its time."""

from __future__ import annotations

from typing import Any

from integration.services import Site

from statek.cli.outcome import JobOutcome
from statek.client.client import Client, Submission
from statek_policies import Policy


def run_job(site: Site, *sources: str, job: str | None = None, **limits: float) -> dict[str, Any]:
    """Run sources as the batches of one job to its end, and return what `statek exec --json` would print."""
    policy = None if job is not None else Policy().to_wire()
    batches = [(f"source {number}", source.encode()) for number, source in enumerate(sources, 1)]
    with Client(site.store / "client.sock") as client:
        accepted = client.submit(Submission(job, policy, limits, batches))
        outcome = JobOutcome(accepted.job, accepted.first_batch, accepted.first_batch + len(sources) - 1)
        for event in client.follow(accepted.job, accepted.cursor):
            assert event is not None, "the scheduler is silent"
            outcome.take(event)
            if outcome.ended:
                break
    return outcome.as_json()
