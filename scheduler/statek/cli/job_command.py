"""statek job: what can be done with one job; here, what a person decides about one that is held."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from statek.cli.acting import FAILED
from statek.cli.attach import attached
from statek.cli.job_following import console_command, log_command
from statek.cli.job_looking import show_command
from statek.cli.job_steering import cancel_command, push_command, retry_command, start_command
from statek.cli.looking import STORE, require_store
from statek.cli.naming import JOB
from statek.cli.options import open_store, service_options, wrong_usage
from statek.cli.terminal import say
from statek.core.holds import Choice
from statek.errors import StatekError, SubmissionRefused
from statek.logs.configuring import log_for_command
from statek.store.errors import StoreError
from statek_protocol.errors import ProtocolError
from statek_protocol.messages.client import Decided


@click.group("job", short_help="Show, follow, start, cancel, tell or retry jobs.")
def job_command() -> None:
    """Look at a job, speak to it, end it, or decide about one that is held for a violation of its policy.

    Exit status: 0 done, 1 nothing was to be done, 2 wrong usage or unknown, 5 failed on our side.
    """


for command in (show_command, log_command, console_command, start_command, push_command, cancel_command, retry_command):
    job_command.add_command(command)


@job_command.command("release")
@STORE
@JOB
def release_command(store: Path, job: str) -> None:
    """Let a held JOB go on, with the variables of its last checkpoint and the batches that wait in it."""
    decided = _decide(store, job, "release")
    waiting = f"batches that now go on: {decided.batches}" if decided.batches else "no batch waits in it"
    say(f"{decided.job}: released; {waiting}")


@job_command.command("end")
@STORE
@JOB
def end_command(store: Path, job: str) -> None:
    """End a held JOB for good: what waits in it is not run, and it takes no further batch."""
    say(f"{_decide(store, job, 'end').job}: ended")


def _decide(store: Path, job: str, choice: Choice) -> Decided:
    """Tell the store's scheduler, or become it for as long as that takes."""
    log_for_command()
    require_store(store)
    directory = open_store(store, must_exist=True)
    try:
        with attached(directory, service_options) as attachment:
            return attachment.client.decide(job, choice)
    except SubmissionRefused as refusal:
        wrong_usage(str(refusal))
    except (StatekError, StoreError, ProtocolError) as error:
        say(str(error))
        sys.exit(FAILED)
