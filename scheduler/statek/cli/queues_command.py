"""statek queues: what waits in the queues and what could not be delivered; and putting it there, back, or away."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import click

from statek.cli.acting import have_done
from statek.cli.ages import age
from statek.cli.looking import JSON, STORE, looking_at, print_all
from statek.cli.naming import complete_agent
from statek.cli.nearest import unknown
from statek.cli.options import wrong_usage
from statek.cli.progress import working
from statek.cli.terminal import say
from statek.cli.texts import json_of, text_of

if TYPE_CHECKING:
    from statek.store.queue_table import QueueDepth, QueueItem


@click.group("queues", invoke_without_command=True, short_help="Show queues; push, redrive or discard.")
@STORE
@JSON
@click.pass_context
def queues_command(context: click.Context, store: Path, as_json: bool) -> None:
    """Show what waits in each queue, for each agent and for jobs, and what is dead in it.

    Exit status: 0 done, also where there is nothing, 1 nothing was to be put back or thrown away, 2 wrong usage, 5
    failed on our side.
    """
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
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@click.argument("queue", default="main")
def dead_command(store: Path, as_json: bool, after: int, limit: int, queue: str) -> None:
    """List what could not be delivered from QUEUE, and why; without what it says."""
    with looking_at(store) as view:
        with view.reading() as ledger:
            letters = ledger.dead_letters(queue, after, limit)
        if not letters and not after:
            say(_nothing_in(store, queue))
        print_all(
            ("NUMBER", "FOR", "FROM", "AGE", "BYTES", "REASON"), letters, _letter_cells, _letter_plain, as_json=as_json
        )


@queues_command.command("push")
@STORE
@click.option("--agent", required=True, shell_complete=complete_agent, help="The agent that is to get the event.")
@click.option("--key", help="Idempotency key: with the same one it is the same event.")
@click.argument("queue")
@click.argument("event")
def push_command(store: Path, agent: str, key: str | None, queue: str, event: str) -> None:
    """Push EVENT, as JSON (or - to read it from standard input), into QUEUE."""
    from statek.application.push_queue import PushQueue

    value = json_of(text_of(event), "the event")
    number = have_done(store, lambda: PushQueue(queue, store=store).push_to_agent_queue(agent, value, key=key))
    say(f"event {number} for {agent} is in the queue {queue!r}")
    with looking_at(store) as view, view.reading() as ledger:
        known = [other.name for other in ledger.agents()]
    if agent not in known:
        say(unknown("agent", agent, known))
        say("the event waits for a program that defines it; the next scheduler without it makes a dead letter of that")


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
    from statek.application.push_queue import PushQueue

    if (number is None) != all_of_it:
        wrong_usage("name the number of a dead letter, or --all, and not both")
    box = have_done(store, lambda: PushQueue(queue, store=store))
    done, items = "put back" if act == "redrive" else "thrown away", 0
    wanted = 1 if number is not None else sum(depth.dead for depth in box.depths())
    with working(f"dead letters {done}") as advance:
        while items < wanted:  # and not until there are none: what was put back can be dead again by now
            more = have_done(store, lambda: box.redrive(number) if act == "redrive" else box.discard(number))
            items += more
            advance(items, wanted)
            if not more:
                break
    say(f"{items} {done}" if items else _nothing_in(store, queue))
    sys.exit(0 if items else 1)


def _nothing_in(store: Path, queue: str) -> str:
    """Say that nothing is dead in a queue, and where something is: a queue is there as long as it holds something."""
    with looking_at(store) as view, view.reading() as ledger:
        dead = sorted({depth.queue for depth in ledger.queue_depths() if depth.dead})
    others = f"; there is in: {', '.join(dead)}" if dead else ""
    return f"there is no dead letter in the queue {queue!r}{others}"


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
