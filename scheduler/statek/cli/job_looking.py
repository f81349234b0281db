"""statek job show: how one job is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from statek.audit.escaping import shown
from statek.cli.ages import age
from statek.cli.looking import STORE, looking_at
from statek.cli.naming import JOB
from statek.core.jobs import OVER
from statek.store.directory import StoreDirectory

if TYPE_CHECKING:
    from statek.inspection.views import JobView


@click.command("show")
@STORE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with all logs.")
@JOB
def show_command(store: Path, as_json: bool, job: str) -> None:
    """Show how JOB is: with a scheduler on the store or without one.

    Exit status: 0 shown, 2 unknown.
    """
    with looking_at(store) as view, view.reading():
        found = view.job(job)
        if as_json:
            click.echo(json.dumps(found.to_plain()))
            return
        for name, text in (*_facts(found), *_standstill(store, found)):
            click.echo(f"{name:12} {shown(text)}")


def _standstill(store: Path, job: JobView) -> Iterator[tuple[str, str]]:
    """Say of a job that has not ended, and looks as if it ran, that nobody is there to let it go on."""
    if job.status not in OVER and not StoreDirectory(store).is_locked():
        yield "scheduler", "none runs on this store: the job goes on when one does"


def _facts(job: JobView) -> Iterator[tuple[str, str]]:
    """Give what there is to say about a job, name by name; what does not apply is left out."""
    ended = f", {job.outcome}" if job.outcome else ""
    yield "job", job.name
    yield "status", f"{job.status}{ended}{', closed' if job.closed else ''}"
    waits, error, limit, used = job.awaited_result, job.error, job.limit, job.usage
    if job.agent:
        yield "agent", f"{job.agent}, turns: {job.num_turns}, revivals: {job.num_completions}"
    if job.parent:
        yield "subtask of", job.parent
    if job.children:
        yield "subtasks", ", ".join(job.children)
    yield "policy", job.policy_name
    yield "made", f"{_time(job.created_us)} ({age(job.created_us)} ago), changed {age(job.changed_us)} ago"
    if job.executor:
        yield "executor", f"{job.executor} on {job.host}"
    if job.held is not None:
        yield "held", f"since batch {job.held} violated its policy: statek job release | end {job.name}"
    if waits is not None:
        yield "waits for", f"{waits.what}, for {age(waits.since_us)}, at instruction {job.next_instr_num}"
        if waits.deadline_us is not None:
            yield "until", _time(waits.deadline_us)
        if waits.trouble:
            yield "trouble", f"{waits.trouble} ({waits.failures} times in a row)"
    if job.exit_status is not None:
        yield "ended with", job.exit_status
    if error is not None:
        yield "error", f"{error.type}: {error.message}{f' (line {error.line})' if error.line else ''}"
    if limit is not None:
        yield "limit", f"{limit.name}: {_number(limit.used)} used, {_number(limit.allowed)} allowed"
    yield "batches", str(job.batches)
    yield "used", f"{used.cpu_seconds:.3f} s cpu, {used.wall_seconds:.3f} s, {used.peak_memory_bytes >> 20} MiB at most"
    yield "did", f"{used.calls} calls, {used.output_bytes} bytes printed"
    if job.agent:
        cached = f" ({used.cached_tokens} cached)" if used.cached_tokens else ""
        unpriced = f", {used.unpriced} replies without a price" if used.unpriced else ""
        yield "tokens", f"{used.input_tokens} in{cached}, {used.output_tokens} out, cost {used.cost}{unpriced}"
    if job.bounds:
        yield "bounds", "; ".join(f"{one.name} {_number(one.used)} of {_number(one.allowed)}" for one in job.bounds)
    if job.transient:
        yield "not kept", ", ".join(job.transient)


def _number(value: float) -> str:
    """Write a whole number with all of its digits."""
    return str(int(value)) if value.is_integer() else f"{value:g}"


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
