"""statek job show | log | console: one job, its story, and what it printed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from statek.audit.escaping import shown
from statek.cli.ages import age
from statek.cli.looking import STORE, looking_at
from statek.cli.terminal import KEPT_ON_A_TERMINAL

if TYPE_CHECKING:
    from statek.inspecting import StoreView
    from statek.inspection.chat_log import ChatItem
    from statek.inspection.tool_log import ToolLogItem
    from statek.inspection.views import JobView

PAGE: Final = 500
LOOK_SECONDS: Final = 1.0
_LINE: Final = 400


@click.command("show")
@STORE
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object, with all logs.")
@click.argument("job")
def show_command(store: Path, as_json: bool, job: str) -> None:
    """Show how JOB is: with a scheduler on the store or without one."""
    with looking_at(store) as view, view.reading():
        found = view.job(job)
        if as_json:
            click.echo(json.dumps(found.to_plain()))
            return
        for name, text in _facts(found):
            click.echo(f"{name:12} {shown(text)}")


def _facts(job: JobView) -> Iterator[tuple[str, str]]:
    """Give what there is to say about a job, name by name; what does not apply is left out."""
    ended = f", {job.outcome}" if job.outcome else ""
    yield "job", job.name
    yield "status", f"{job.status}{ended}{', closed' if job.closed else ''}"
    waits, error, limit, used = job.awaited_result, job.error, job.limit, job.usage
    if job.agent:
        yield "agent", f"{job.agent}, {job.num_turns} turns, {job.num_completions} revivals"
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
        yield "limit", f"{limit.name}: {limit.used:g} used, {limit.allowed:g} allowed"
    yield "batches", str(job.batches)
    yield "used", f"{used.cpu_seconds:.3f} s cpu, {used.wall_seconds:.3f} s, {used.peak_memory_bytes >> 20} MiB at most"
    yield "did", f"{used.calls} calls, {used.output_bytes} bytes printed"
    if job.agent:
        cached = f" ({used.cached_tokens} cached)" if used.cached_tokens else ""
        unpriced = f", {used.unpriced} replies without a price" if used.unpriced else ""
        yield "tokens", f"{used.input_tokens} in{cached}, {used.output_tokens} out, cost {used.cost}{unpriced}"
    if job.transient:
        yield "not kept", ", ".join(job.transient)


@click.command("console")
@STORE
@click.argument("job")
def console_command(store: Path, job: str) -> None:
    """Print what JOB has printed, and our notices, in order."""
    with looking_at(store) as view:
        after: int | None = 0
        found = view.job(job)
        while after is not None:
            page = found.printed(after, PAGE)
            for printed in page.items:
                click.echo(shown(printed.text, keep=KEPT_ON_A_TERMINAL), nl=False)
            after = page.after


@click.command("log")
@STORE
@click.option("-f", "--follow", is_flag=True, help="Go on with what happens, until the job has ended.")
@click.option("--after", type=click.IntRange(0), default=0, help="Begin after this cursor.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a line.")
@click.argument("job")
def log_command(store: Path, follow: bool, after: int, as_json: bool, job: str) -> None:
    """Tell the story of JOB: what was said to it, its model's turns, its batches and calls, in order."""
    with looking_at(store) as view:
        for entry in _entries(view, store, job, after, follow=follow):
            click.echo(json.dumps(entry) if as_json else "\n".join(_lines(entry)))


def _entries(view: StoreView, store: Path, name: str, after: int, *, follow: bool) -> Iterator[dict[str, Any]]:
    """Give entries of both logs in the order of their cursors; an entry that has changed is given again."""
    from statek.inspection.plain import plain

    told: dict[int, dict[str, Any]] = {}
    while True:
        with view.reading() as ledger:
            cursor, job = ledger.last_cursor, view.job(name)
            entries = {entry.cursor: entry for entry in (*_chat(job, after), *_calls(job, after))}
            over = job.status in ("DONE", "FORGOTTEN")
            for cursor in sorted(entries):
                entry = plain(entries[cursor])
                if told.get(cursor) != entry and _is_final(entry, over=over or not follow):
                    told[cursor] = entry
                    yield entry
        if not follow or over:
            return
        _await_news(store, name, cursor)


def _chat(job: JobView, after: int) -> Iterator[ChatItem]:
    cursor: int | None = after
    while cursor is not None:
        page = job.chat(cursor, PAGE)
        yield from page.items
        cursor = page.after


def _calls(job: JobView, after: int) -> Iterator[ToolLogItem]:
    cursor: int | None = after
    while cursor is not None:
        page = job.calls(cursor, PAGE)
        yield from page.items
        cursor = page.after


def _is_final(entry: dict[str, Any], *, over: bool) -> bool:
    """Tell whether nothing more will come of an entry; one that is still under way is told when it has ended."""
    return over or entry.get("outcome", "none") not in (None, "pending")


def _await_news(store: Path, job: str, cursor: int) -> None:
    """Wait until something has happened after a cursor: told by the scheduler, or for a second where none runs."""
    from statek.cli.client import Client
    from statek.store.directory import StoreDirectory

    directory = StoreDirectory(store)
    if not directory.is_locked():
        time.sleep(LOOK_SECONDS)
        return
    with Client(directory.client_socket) as client:
        client.await_news(job, cursor, LOOK_SECONDS)


def _lines(entry: dict[str, Any]) -> Iterator[str]:
    """Write one entry for people, what it has of text indented below it."""
    head, body = _told(entry)
    yield shown(f"{entry['at'] if 'at' in entry else entry['requested']}  {head}")[:_LINE]
    for line in body.split("\n") if body else ():
        yield f"    {shown(line)}"


def _told(entry: dict[str, Any]) -> tuple[str, str]:
    error = entry.get("error")
    wrong = f": {error['type']}: {error['message']}" if error else ""
    match entry.get("kind", "call"):
        case "user":
            return f"{entry['source']} says", entry["text"]
        case "model":
            tokens = f"{entry['input_tokens']}+{entry['output_tokens']} tokens"
            model = entry["model"] or "the model"
            return f"turn {entry['turn']} of {model}: {entry['outcome']} ({tokens}){wrong}", entry["text"]
        case "batch" | "warmup":
            return f"{entry['kind']} {entry['name']}: {entry['outcome']}{wrong}", entry["console"].rstrip("\n")
        case "subtask":
            return f"subtask {entry['job']}: {entry['outcome'] or 'under way'}{wrong}", ""
        case "steering":
            return f"{entry['act']}", entry["text"]
    value = f" -> {entry['value']}" if entry.get("value") is not None else ""
    return f"call {entry['tool']}({entry['arguments']}): {entry['outcome']}{value}{wrong}", ""


def _time(at_us: int) -> str:
    return datetime.fromtimestamp(at_us / 1e6, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
