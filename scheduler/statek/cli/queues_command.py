"""statek queues: what waits in the queues and what could not be delivered; and putting it there, back, or away."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import click

from statek.cli.acting import have_done
from statek.cli.ages import age
from statek.cli.looking import JSON, STORE, looking_at, print_all
from statek.cli.options import wrong_usage
from statek.cli.terminal import say

if TYPE_CHECKING:
    from statek.store.queue_table import QueueDepth, QueueItem

STDIN: Final = "-"


@click.group("queues", invoke_without_command=True, short_help="Show queues; push, redrive or discard.")
@STORE
@JSON
@click.pass_context
def queues_command(context: click.Context, store: Path, as_json: bool) -> None:
    """Show what waits in each queue, for each agent and for jobs, and what is dead in it."""
    if context.invoked_subcommand is not None:
        return
    with looking_at(store) as view:
        with view.reading() as ledger:
            depths = ledger.queue_depths()
        headings = "QUEUE", "FOR", "WAITING", "DEAD", "OLDEST"
        print_all(headings, depths, _depth_cells, _depth_plain, as_json=as_json)


@queues_command.command("dead")
@STORE
@JSON
@click.option("--after", type=click.IntRange(0), default=0, help="Begin after this number.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True)
@click.argument("queue", default="main")
def dead_command(store: Path, as_json: bool, after: int, limit: int, queue: str) -> None:
    """List what could not be delivered from QUEUE, and why; without what it says."""
    with looking_at(store) as view:
        with view.reading() as ledger:
            letters = ledger.dead_letters(queue, after, limit)
        print_all(
            ("NUMBER", "FOR", "FROM", "AGE", "BYTES", "REASON"), letters, _letter_cells, _letter_plain, as_json=as_json
        )


@queues_command.command("push")
@STORE
@click.option("--agent", required=True, help="The agent that is to get the event.")
@click.option("--key", help="Idempotency key: with the same one it is the same event.")
@click.argument("queue")
@click.argument("event")
def push_command(store: Path, agent: str, key: str | None, queue: str, event: str) -> None:
    """Push EVENT, as JSON (or - to read it from standard input), into QUEUE."""
    from statek.queues.push_queue import PushQueue

    text = sys.stdin.read() if event == STDIN else event
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        wrong_usage(f"the event is not JSON ({error}): write a text in quotes, as in '\"hello\"'")
    number = have_done(store, lambda: PushQueue(queue, store=store).push_to_agent_queue(agent, value, key=key))
    say(f"event {number} for {agent} is in the queue {queue!r}")


@queues_command.command("redrive")
@STORE
@click.argument("queue")
@click.argument("number", type=click.IntRange(1), required=False)
@click.option("--all", "all_of_it", is_flag=True, help="All dead letters of the queue.")
def redrive_command(store: Path, queue: str, number: int | None, all_of_it: bool) -> None:
    """Put a dead letter of QUEUE back in line, by its NUMBER, or --all of them."""
    _decide(store, queue, number, "redrive", all_of_it=all_of_it)


@queues_command.command("discard")
@STORE
@click.argument("queue")
@click.argument("number", type=click.IntRange(1), required=False)
@click.option("--all", "all_of_it", is_flag=True, help="All dead letters of the queue.")
def discard_command(store: Path, queue: str, number: int | None, all_of_it: bool) -> None:
    """Throw a dead letter of QUEUE away, by its NUMBER, or --all of them."""
    _decide(store, queue, number, "discard", all_of_it=all_of_it)


def _decide(
    store: Path, queue: str, number: int | None, act: Literal["redrive", "discard"], *, all_of_it: bool
) -> None:
    from statek.queues.push_queue import PushQueue

    if (number is None) != all_of_it:
        wrong_usage("name the number of a dead letter, or --all, and not both")
    box = PushQueue(queue, store=store)
    done, items = "put back" if act == "redrive" else "thrown away", 0
    wanted = 1 if number is not None else sum(depth.dead for depth in box.depths())
    while items < wanted:  # and not until there are none: what was put back can be dead again by now
        more = have_done(store, lambda: box.redrive(number) if act == "redrive" else box.discard(number))
        items += more
        if not more:
            break
    say(f"{items} {done}")
    sys.exit(0 if items else 1)


def _depth_cells(depth: QueueDepth) -> tuple[str, ...]:
    oldest = "-" if depth.oldest_us is None else age(depth.oldest_us)
    return depth.queue, depth.agent or "(jobs)", str(depth.waiting), str(depth.dead), oldest


def _depth_plain(depth: QueueDepth) -> dict[str, object]:
    from statek.inspection.plain import plain

    told: dict[str, object] = plain(depth)
    return told


def _letter_cells(letter: QueueItem) -> tuple[str, ...]:
    to = letter.agent or letter.job
    return (
        *(str(letter.number), to, letter.source, age(letter.pushed_us)),
        *(str(len(letter.body)), letter.dead_reason or ""),
    )


def _letter_plain(letter: QueueItem) -> dict[str, object]:
    from statek.inspection.plain import plain

    return {**plain(letter), "body": len(letter.body)}
