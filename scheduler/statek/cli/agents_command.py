"""statek agents: which agents there are, how new jobs get them, and what an operator has changed in them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from statek.audit.escaping import shown
from statek.cli.acting import have_done
from statek.cli.ages import age
from statek.cli.looking import JSON, STORE, looking_at, print_all
from statek.cli.naming import AGENT
from statek.cli.nearest import unknown
from statek.cli.options import wrong_usage
from statek.cli.terminal import KEPT_ON_A_TERMINAL, say
from statek.cli.texts import text_in

if TYPE_CHECKING:
    from statek.store.agent_table import KnownAgent

BOUNDS: Final[dict[str, Callable[[str], Any]]] = {
    "max_turns": int,
    "max_token_usage": int,
    "max_exceptions": int,
    "max_consecutive_exceptions": int,
    "max_cost": str,
    "max_tree_token_usage": int,
    "max_tree_cost": str,
    "limit_extension_per_completion": float,
    "context_tokens": int,
}

NO_BOUND: Final = "none"
_ALWAYS: Final = ("limit_extension_per_completion", "context_tokens")
"""Of the bounds those that cannot be left out."""
_INSTANTS: Final = ("defined_us", "revised_us")
TEXT_FILE: Final = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group("agents", invoke_without_command=True, short_help="Show agents; change what new jobs get.")
@STORE
@JSON
@click.pass_context
def agents_command(context: click.Context, store: Path, as_json: bool) -> None:
    """List the agents that programs have defined in the store.

    Exit status: 0 done, 2 unknown or wrong usage, 5 failed on our side.
    """
    if context.invoked_subcommand is not None:
        return
    with looking_at(store) as view:
        with view.reading() as ledger:
            known = ledger.agents()
        jobs: dict[str, dict[str, int]] = {}
        for counted in view.counts():
            jobs.setdefault(counted.agent, {})[counted.status] = counted.jobs
        headings = "AGENT", "MODEL", "POLICY", "TOOLS", "DEFINED", "CHANGED", "JOBS"
        print_all(
            headings,
            known,
            lambda agent: _cells(agent, jobs.get(agent.name, {})),
            lambda agent: {**_plain(agent), "jobs": jobs.get(agent.name, {})},
            as_json=as_json,
        )


@agents_command.command("show")
@STORE
@JSON
@AGENT
def show_command(store: Path, as_json: bool, agent: str) -> None:
    """Show AGENT as new jobs get it, and which of its fields an operator has changed."""
    with looking_at(store) as view:
        with view.reading() as ledger:
            known = ledger.agent(agent)
            names = [other.name for other in ledger.agents()]
        if known is None:
            wrong_usage(unknown("agent", agent, names))
        told = _plain(known)
        if as_json:
            click.echo(json.dumps(told))
            return
        for name, text in _lines(told):
            click.echo(f"{name:32} {shown(text, keep=KEPT_ON_A_TERMINAL)}")


@agents_command.command("revise")
@STORE
@click.option("--model", help="The model that is asked.")
@click.option("--provider", help="The provider that is asked, by its name in the settings.")
@click.option("--instructions-file", type=TEXT_FILE, help="What it is told to do is in this file.")
@click.option("--warmup-file", type=TEXT_FILE, help="Code that its jobs begin with is in this file.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help=f"A bound, or none: {', '.join(BOUNDS)}.")
@click.option("--limit", "limits", multiple=True, metavar="NAME=VALUE", help="A limit of the policy.")
@click.option("--reset", is_flag=True, help="Take all changes back.")
@AGENT
def revise_command(
    store: Path,
    model: str | None,
    provider: str | None,
    instructions_file: Path | None,
    warmup_file: Path | None,
    settings: tuple[str, ...],
    limits: tuple[str, ...],
    reset: bool,
    agent: str,
) -> None:
    """Change fields of AGENT for new jobs, whatever its program says; jobs that are there keep what they have."""
    from statek.application import asking

    changes: dict[str, Any] = {"model": model, "provider": provider}
    changes["instructions"] = None if instructions_file is None else text_in(instructions_file)
    changes["warmup"] = None if warmup_file is None else text_in(warmup_file)
    changes = {name: value for name, value in changes.items() if value is not None}
    changes |= dict(_bound(text) for text in settings)
    if limits:
        changes["limits"] = dict(_limit(text) for text in limits)
    if reset == bool(changes):
        wrong_usage("say what is to be changed, or --reset to take all changes back, and not both")
    asked = None if reset else changes
    version = have_done(
        store,
        lambda: asking.decided(
            store,
            lambda loop, tick: loop.roster.revise(tick, agent, asked),
            lambda client: client.revise_agent(agent, asked),
        ),
    )
    say(f"{agent}: new jobs get version {version[:16]}")


def _bound(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    if name not in BOUNDS:
        wrong_usage(f"--set takes NAME=VALUE; {name!r} is none of {', '.join(BOUNDS)}")
    if value == NO_BOUND and name not in _ALWAYS:
        return name, None
    try:
        return name, BOUNDS[name](value)
    except ValueError:
        wrong_usage(f"--set {name}: {value!r} is no number")


def _limit(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        wrong_usage(f"--limit {name}: {value!r} is no number")
    return name, int(number) if number.is_integer() else number


def _cells(agent: KnownAgent, jobs: dict[str, int]) -> tuple[str, ...]:
    version = agent.definition()
    counted = ", ".join(f"{count} {status}" for status, count in sorted(jobs.items()))
    changed = ", ".join(sorted(agent.changes or ())) or "-"
    model = f"{version.provider}/{version.model}" if version.provider else version.model
    return (
        agent.name,
        model or "(default)",
        version.policy_name,
        str(len(version.tools)),
        age(agent.defined_us),
        changed,
        counted,
    )


def _plain(agent: KnownAgent) -> dict[str, Any]:
    from statek_protocol import schema

    told = schema.dump(agent.definition())
    return {
        **told,
        "defined_us": agent.defined_us,
        "revised_us": agent.revised_us,
        "changed": sorted(agent.changes or ()),
    }


def _lines(told: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Write it for people, with the names and units that they would say it in themselves."""
    for name, value in told.items():
        if name == "harness":
            yield from _bounds(value)
        elif name in _INSTANTS:
            yield name.removesuffix("_us"), "never" if value is None else f"{age(value)} ago"
        elif isinstance(value, dict) and name == "policy":
            for part, inner in value.items():
                yield f"{name}.{part}", json.dumps(inner)
        elif name == "warmup":
            for number, block in enumerate(value, 1):
                yield f"warmup {number}{' (hidden)' if block['hidden'] else ''}", "\n" + block["source"]
        else:
            yield name, value if isinstance(value, str) else json.dumps(value)


def _bounds(harness: dict[str, Any]) -> Iterator[tuple[str, str]]:
    from statek.agents.definitions import HARNESS_NAMES, OF_MONEY
    from statek.core.money import in_currency

    for name, field in HARNESS_NAMES.items():
        value = harness[field]
        yield name, NO_BOUND if value is None else str(in_currency(value) if name in OF_MONEY else value)
