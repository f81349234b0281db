"""statek job start | push | cancel | retry: what an operator does with jobs."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import click

from statek.cli.acting import have_done
from statek.cli.looking import STORE
from statek.cli.options import wrong_usage
from statek.cli.outcome import EXIT_STATUS
from statek.cli.terminal import say

STDIN: Final = "-"
NOTHING_DONE: Final = 1


@click.command("start")
@STORE
@click.option("--var", "variables", multiple=True, metavar="NAME=JSON", help="A variable of the job; may be repeated.")
@click.option("--message", help="What the user says first; - reads it from standard input.")
@click.option("--name", help="What the job is to be called.")
@click.option("--key", help="Idempotency key: with the same one it is the same job.")
@click.option("--wait", is_flag=True, help="Wait for its end, print what it ended with, and leave with its outcome.")
@click.argument("agent")
def start_command(
    store: Path,
    variables: Sequence[str],
    message: str | None,
    name: str | None,
    key: str | None,
    wait: bool,
    agent: str,
) -> None:
    """Start a job of AGENT, and print its name.

    A scheduler that has the agent's tools must run on the store for anything to happen to it.
    """
    from statek.client_api import submit_new_job

    given = dict(map(_variable, variables))
    said = sys.stdin.read() if message == STDIN else message
    job = have_done(store, lambda: submit_new_job(agent, given, message=said, name=name, key=key, store=store))
    if not wait:
        click.echo(job.name)
        return
    ended = have_done(store, job.wait)
    say(f"{ended.name}: {ended.outcome}")
    if ended.exit_status is not None:
        click.echo(ended.exit_status)
    sys.exit(EXIT_STATUS[ended.outcome or "failed"])


@click.command("push")
@STORE
@click.option("--key", help="Idempotency key: with the same one it is the same message.")
@click.option("--queue", default="main", show_default=True, help="The queue that it goes through.")
@click.argument("job")
@click.argument("message")
def push_command(store: Path, key: str | None, queue: str, job: str, message: str) -> None:
    """Say MESSAGE to JOB (- reads it from standard input); a job that has ended goes on."""
    from statek.inspecting import StoreView
    from statek.queues.push_queue import PushQueue

    text = sys.stdin.read() if message == STDIN else message
    have_done(store, lambda: StoreView(store).state(job))
    number = have_done(store, lambda: PushQueue(queue, store=store).push_to_job_console(job, text, key=key))
    say(f"{job}: message {number} is in the queue {queue!r}")


@click.command("cancel")
@STORE
@click.option("--reason", default="by the operator", show_default=True)
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
def cancel_command(store: Path, reason: str, jobs: Sequence[str]) -> None:
    """End jobs, whatever they are doing. Exit status 1 where a job had ended already."""
    from statek.job_handle import cancel_job

    done = [have_done(store, lambda job=job: cancel_job(job, reason, store=store)) for job in jobs]  # type: ignore[misc]
    for job, cancelled in zip(jobs, done, strict=True):
        say(f"{job}: {'cancelled' if cancelled else 'has ended already'}")
    sys.exit(0 if all(done) else NOTHING_DONE)


@click.command("retry")
@STORE
@click.argument("jobs", nargs=-1, required=True, metavar="JOB...")
def retry_command(store: Path, jobs: Sequence[str]) -> None:
    """Let jobs that did not end well go on. Exit status 1 where there was nothing to try again."""
    from statek.job_handle import retry_job

    done = [have_done(store, lambda job=job: retry_job(job, store=store)) for job in jobs]  # type: ignore[misc]
    for job, retried in zip(jobs, done, strict=True):
        say(f"{job}: {'goes on' if retried else 'there is nothing to try again'}")
    sys.exit(0 if all(done) else NOTHING_DONE)


def _variable(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        wrong_usage(f"--var takes NAME=JSON, not {text!r}")
    try:
        return name, json.loads(value)
    except (json.JSONDecodeError, RecursionError) as error:
        wrong_usage(f"the value of {name} is not JSON ({error}): write a text in quotes, as in {name}='\"yes\"'")
