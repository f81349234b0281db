"""statek executors: which executors are connected to the scheduler of a store, and what they do."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from statek.cli.looking import JSON, STORE, print_all, require_store
from statek.cli.options import open_store
from statek.cli.terminal import say

if TYPE_CHECKING:
    from statek_protocol.messages.client import ConnectedExecutor

SECONDS: Final = 5.0
NOBODY_ANSWERS: Final = 1
HEADINGS: Final = ("EXECUTOR", "HOST", "WORKERS", "ACTIVE", "PARKED", "HEARD", "LACKS", "LAYERS")


@click.command("executors", short_help="Show who is connected and what they do.")
@STORE
@JSON
def executors_command(store: Path, as_json: bool) -> None:
    """Ask the scheduler of a store which executors are connected to it.

    LACKS are isolation layers that the executor's own probes found missing: `statek doctor` there says why. Exit
    status: 0 also where there is none, 1 no scheduler answers, 2 no store.
    """
    from statek.client.client import Client

    require_store(store)
    directory = open_store(store, must_exist=True)
    if not directory.is_locked():
        say(f"no scheduler runs on {store}, so nobody is connected")
        raise SystemExit(NOBODY_ANSWERS)
    with Client(directory.client_socket) as client:
        found = client.executors(SECONDS)
    if found is None:
        say(f"the scheduler of {store} does not answer within {SECONDS:g} s: look at `statek health` and its log")
        raise SystemExit(NOBODY_ANSWERS)
    print_all(HEADINGS, found.executors, _cells, _plain, as_json=as_json)


def _cells(one: ConnectedExecutor) -> tuple[str, ...]:
    parked = f"{one.parked} of {one.parking}"
    counts = str(one.workers), str(one.active), parked, f"{one.heard_seconds:.1f}s"
    return one.executor, one.host, *counts, ", ".join(_lacking(one)) or "-", str(len(one.layers))


def _plain(one: ConnectedExecutor) -> dict[str, object]:
    from dataclasses import asdict

    return {**asdict(one), "lacks": _lacking(one)}


def _lacking(one: ConnectedExecutor) -> list[str]:
    from statek_policies import LAYERS

    return sorted(set(LAYERS) - set(one.layers))
