"""statek job start | push | cancel | retry: what an operator does with jobs."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import click

from statek.cli.acting import have_done, have_done_to_each
from statek.cli.looking import STORE
from statek.cli.naming import AGENT, JOB, JOBS
from statek.cli.options import wrong_usage
from statek.cli.outcome import EXIT_STATUS
from statek.cli.progress import working
from statek.cli.terminal import say
from statek.cli.texts import json_of, text_of

if TYPE_CHECKING:
    from statek.application.job_handle import JobHandle

INTERRUPTED: Final = 130
"""Exit status after an interrupt, as shells have it."""


@click.command("start")
@STORE
@click.option("--var", "variables", multiple=True, metavar="NAME=JSON", help="A variable of the job; may be repeated.")
@click.option("--message", help="What the user says first; - reads it from standard input.")
@click.option("--name", help="What the job is to be called.")
@click.option("--key", help="Idempotency key: with the same one it is the same job.")
@click.option("--wait", is_flag=True, help="Wait for its end, print what it ended with, and leave with its outcome.")
@AGENT
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

    A scheduler that has the agent's tools must run on the store for anything to happen to it. Exit status: 0 started,
    2 refused or wrong usage, 5 failed on our side; with --wait 0 ok, 1 error, 3 blocked, 4 limit, 5 failed or
    cancelled, 130 interrupted, which leaves the job at work.
    """
    from statek.application.client_api import submit_new_job

    given = dict(map(_variable, variables))
    said = None if message is None else text_of(message)
    job = have_done(store, lambda: submit_new_job(agent, given, message=said, name=name, key=key, store=store))
    if not wait:
        click.echo(job.name)
        return
    _await_end(store, job)


def _await_end(store: Path, job: JobHandle) -> NoReturn:
    """Wait for a job's end, print what it ended with, and leave with its outcome."""
    from statek.store.directory import StoreDirectory

    say(f"{job.name}: started")
    if not StoreDirectory(store).is_locked():
        say("no scheduler runs on this store: the job begins when one does")
    try:
        with working(f"waiting for {job.name}"):
            ended = have_done(store, job.wait)
    except KeyboardInterrupt:
        say(f"{job.name} goes on: statek job log -f {job.name}")
        sys.exit(INTERRUPTED)
    say(f"{ended.name}: {ended.outcome}")
    if ended.exit_status is not None:
        click.echo(ended.exit_status)
    sys.exit(EXIT_STATUS[ended.outcome or "failed"])


@click.command("push")
@STORE
@click.option("--key", help="Idempotency key: with the same one it is the same message.")
@click.option("--queue", default="main", show_default=True, help="The queue that it goes through.")
@JOB
@click.argument("message")
def push_command(store: Path, key: str | None, queue: str, job: str, message: str) -> None:
    """Say MESSAGE to JOB (- reads it from standard input).

    A job that has ended goes on for it. Exit status: 0 it is in the queue, 2 unknown or wrong usage, 5 failed.
    """
    from statek.application.push_queue import PushQueue
    from statek.inspection.store_view import StoreView

    text = text_of(message)
    have_done(store, lambda: StoreView(store).state(job))
    number = have_done(store, lambda: PushQueue(queue, store=store).push_to_job_console(job, text, key=key))
    say(f"{job}: message {number} is in the queue {queue!r}")


@click.command("cancel")
@STORE
@click.option("--reason", default="by the operator", show_default=True, help="What the record and the model are told.")
@JOBS
def cancel_command(store: Path, reason: str, jobs: Sequence[str]) -> None:
    """End jobs, whatever they are doing.

    Each is decided by itself. Exit status: 0 all are cancelled, 1 one had ended already, 2 one is unknown, 5 failed.
    """
    from statek.application.job_handle import cancel_job

    have_done_to_each(store, jobs, _known(store, partial(cancel_job, reason=reason)), "cancelled", "has ended already")


@click.command("retry")
@STORE
@JOBS
def retry_command(store: Path, jobs: Sequence[str]) -> None:
    """Let jobs that did not end well go on.

    Each is decided by itself. Exit status: 0 all go on, 1 one had nothing to try again, 2 one is unknown, 5 failed.
    """
    from statek.application.job_handle import retry_job

    have_done_to_each(store, jobs, _known(store, retry_job), "goes on", "there is nothing to try again")


def _known(store: Path, act: Callable[..., bool]) -> Callable[[str], bool]:
    """Let it be done only to jobs that there are: what is asked for with a wrong name is told the nearest ones."""
    from statek.inspection.store_view import StoreView

    view = StoreView(store)
    return lambda name: act(view.state(name).job, store=store)


def _variable(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        wrong_usage(f"--var takes NAME=JSON, not {text!r}")
    return name, json_of(value, f"the value of {name}")
