"""statek exec: run files as the instruction batches of one job, and say what came of them."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

import click

from statek.cli.attach import Attachment, attached
from statek.cli.options import default_store, open_store, service_options, wrong_usage
from statek.cli.outcome import EXIT_STATUS, JobOutcome
from statek.cli.terminal import GuestOutput, say
from statek.client.client import GIVE_UP_SECONDS, Submission
from statek.errors import AppUnusable, SchedulerSilent, StatekError, SubmissionRefused
from statek.logs.configuring import log_for_command
from statek.store.errors import StoreError
from statek_policies import Policy, PolicyError, parse_field, parse_limit
from statek_protocol.errors import ProtocolError
from statek_protocol.messages.base import SOURCE_LIMIT

WRONG_REQUESTS: Final = ("unknown_job", "policy", "job_held", "job_ended")
"""Refusals that are the caller's to mend: exit status 2."""
STDIN: Final = "-"


@click.command("exec", short_help="Run files as the instruction batches of one job.")
@click.option("--store", type=click.Path(path_type=Path), default=default_store, help="The store's directory.")
@click.option("--policy", "policy_name", metavar="NAME|FILE", help="What the job may do (default: default).")
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="Change one limit of the policy.")
@click.option("--set", "fields", multiple=True, metavar="FIELD=VALUE", help="Change one other field of the policy.")
@click.option("--job", metavar="ID", help="Continue this job, with its variables.")
@click.option(
    "--app", type=click.Path(path_type=Path), help="Offer this file's tools and locals, if no scheduler runs yet."
)
@click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
def exec_command(
    store: Path,
    policy_name: str | None,
    limits: tuple[str, ...],
    fields: tuple[str, ...],
    job: str | None,
    app: Path | None,
    as_json: bool,
    files: tuple[str, ...],
) -> None:
    """Run each FILE (or - for standard input) as one instruction batch of one job, in order.

    A batch after one that was not ok is not run. Exit status: 0 ok, 1 the guest's own error, 2 wrong usage,
    3 blocked by the policy, 4 a limit was reached, 5 failed on our side.
    """
    submission = _read_submission(policy_name, limits, fields, job, files)
    log_for_command()
    directory = open_store(store, must_exist=job is not None)
    try:
        with attached(directory, partial(service_options, app=app)) as attachment:
            outcome = _run(attachment, submission, show=not as_json)
    except AppUnusable as error:
        wrong_usage(str(error))
    except SubmissionRefused as refusal:
        if refusal.code in WRONG_REQUESTS:
            wrong_usage(str(refusal))
        _fail(str(refusal), as_json=as_json)
    except (StatekError, StoreError, ProtocolError) as error:
        _fail(str(error), as_json=as_json)
    _tell(outcome, files, as_json=as_json)
    sys.exit(outcome.exit_status)


def _read_submission(
    policy_name: str | None, limits: Iterable[str], fields: Iterable[str], job: str | None, files: tuple[str, ...]
) -> Submission:
    """Read everything that the command line names, before anything is made or changed."""
    try:
        changed = dict(map(parse_limit, limits))
        others = dict(map(parse_field, fields))
        policy = None
        if policy_name is not None or job is None:
            policy = Policy.load(policy_name or "default")
            policy.changed(changed, others)
        batches = [(name, _read_source(name)) for name in files]
    except PolicyError as error:
        wrong_usage(str(error))
    return Submission(job, None if policy is None else policy.to_wire(), changed, batches, others)


def _read_source(name: str) -> bytes:
    """Read a source; refuses what is no text at all, so that nothing is made for it."""
    shown = "standard input" if name == STDIN else name
    try:
        source = sys.stdin.buffer.read() if name == STDIN else Path(name).read_bytes()
    except OSError as error:
        wrong_usage(f"cannot read {shown}: {error.strerror}")
    if len(source) > SOURCE_LIMIT:
        wrong_usage(f"{shown} is {len(source)} bytes long; {SOURCE_LIMIT} is the most that any policy may allow")
    if b"\0" in source:
        line = source.count(b"\n", 0, source.index(b"\0")) + 1
        wrong_usage(f"{shown} holds a NUL byte (line {line}): it is not Python source; remove the byte")
    try:
        source.decode()
    except UnicodeDecodeError as error:
        line = source.count(b"\n", 0, error.start) + 1
        wrong_usage(f"{shown} is not UTF-8 (line {line}, byte {error.start}): save it as UTF-8")
    return source


def _run(attachment: Attachment, submission: Submission, *, show: bool) -> JobOutcome:
    """Submit and follow to the end, whatever becomes of the scheduler in between."""
    accepted = attachment.client.submit(submission)
    last = accepted.first_batch + len(submission.batches) - 1
    outcome = JobOutcome(accepted.job, accepted.first_batch, last)
    cursor = accepted.cursor
    output = GuestOutput() if show else None
    if attachment.lacks_executors():
        say(f"no executor is connected to the scheduler of this store: {accepted.job} waits for one")
    while not outcome.ended:
        cursor = _follow(attachment, outcome, cursor, output)
        if not outcome.ended:
            attachment.attach()
    return outcome


def _follow(attachment: Attachment, outcome: JobOutcome, cursor: int, output: GuestOutput | None) -> int:
    """Follow the job until it ends or its scheduler is gone; returns how far it was followed."""
    client = attachment.client
    for event in client.follow(outcome.job, cursor):
        if event is None:
            attachment.check()
            if attachment.deserted():
                return cursor
            if time.monotonic() - client.heard > GIVE_UP_SECONDS:
                raise SchedulerSilent(
                    f"the scheduler has not answered for {GIVE_UP_SECONDS:.0f} s; {outcome.job} goes on without us: "
                    f"read it later with --job {outcome.job}"
                )
            continue
        cursor = event.cursor
        before = outcome.waits_for, outcome.trouble
        printed = outcome.take(event)
        if output is not None and outcome.waits_for and before != (outcome.waits_for, outcome.trouble):
            say(f"{outcome.job} waits for {outcome.waits_for}{f': {outcome.trouble}' if outcome.trouble else ''}")
        if printed and output is not None:
            output.write(printed)
        if outcome.ended:
            break
    return cursor


def _tell(outcome: JobOutcome, files: tuple[str, ...], *, as_json: bool) -> None:
    """Say how it ended: one JSON object, or a line for people on stderr."""
    if as_json:
        click.echo(json.dumps(outcome.as_json()))
        return
    for violation in outcome.violations:
        where = f"line {violation['line']}: " if violation["line"] is not None else ""
        say(f"refused ({violation['rule']}): {where}{violation['detail']}")
    if outcome.error is not None:
        file = files[outcome.error["batch"] - outcome.first_batch]
        line = outcome.error["line"]
        where = f"{file}, line {line}: " if line is not None else f"{file}: "
        say(f"{where}{outcome.error['type']}: {outcome.error['message']}")
    if outcome.limit is not None:
        name = outcome.limit["name"]
        say(f"limit {name}: {outcome.limit['allowed']:g} allowed, {outcome.limit['used']:g} used{outcome.progress}")
        say(f"`--limit {name}=N` allows more; `statek policy explain {name}` says what else helps")
    if outcome.transient:
        say(f"not kept for the next batch: {', '.join(outcome.transient)}")
    say(f"{outcome.job}: {outcome.outcome}")
    if outcome.status == "SUSPENDED":
        say(f"it is held: `statek job release {outcome.job}` lets it go on, `statek job end {outcome.job}` ends it")
    elif outcome.final:
        say("it was ended for the violation and takes no further batch")


def _fail(message: str, *, as_json: bool) -> NoReturn:
    """Report a failure of our side."""
    if as_json:
        outcome = JobOutcome("", 1, 1, outcome="failed").as_json()
        error = {"type": "StatekError", "message": message, "line": None, "batch": None}
        click.echo(json.dumps({**outcome, "job": None, "status": None, "error": error}))
    say(message)
    raise SystemExit(EXIT_STATUS["failed"])
