"""statek usage: what all jobs have used, by agent, model or day."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from statek.cli.looking import JSON, STORE, looking_at, print_all

if TYPE_CHECKING:
    from statek.store.totals import UsageTotal, Used

Group = tuple[str, ...]

_BY: Final[dict[str, tuple[tuple[str, ...], Callable[[Any], Group]]]] = {
    "agent": (("agent",), lambda total: (total.agent,)),
    "model": (("model",), lambda total: (total.model,)),
    "day": (("day",), lambda total: (total.day.isoformat(),)),
    "all": (("day", "agent", "model"), lambda total: (total.day.isoformat(), total.agent, total.model)),
    "none": ((), lambda _: ()),
}
_HEADINGS: Final = (
    "JOBS",
    "BATCHES",
    "FAILED",
    "CPU",
    "WALL",
    "CALLS",
    "TURNS",
    "IN",
    "CACHED",
    "OUT",
    "COST",
    "UNPRICED",
)


@click.command("usage", short_help="Say what all jobs have used.")
@STORE
@click.option("--by", type=click.Choice(sorted(_BY)), default="agent", show_default=True, help="What it is summed by.")
@click.option("--since", type=click.DateTime(["%Y-%m-%d"]), help="From this day on, UTC.")
@JSON
def usage_command(store: Path, by: str, since: datetime | None, as_json: bool) -> None:
    """Sum up jobs, processor time, calls, tokens and cost; what retention has deleted stays counted."""
    names, group_of = _BY[by]
    with looking_at(store) as view:
        groups = _grouped(view.usage(None if since is None else since.date()), group_of)
        print_all(
            (*(name.upper() for name in names), *_HEADINGS),
            sorted(groups.items()),
            lambda item: (*(part or "-" for part in item[0]), *_cells(item[1])),
            lambda item: {**dict(zip(names, item[0], strict=True)), **_plain(item[1])},
            as_json=as_json,
        )


def _grouped(totals: tuple[UsageTotal, ...], group_of: Callable[[UsageTotal], Group]) -> dict[Group, Used]:
    groups: dict[Group, Used] = {}
    for total in totals:
        group = group_of(total)
        groups[group] = groups[group].plus(total.used) if group in groups else total.used
    return groups


def _cells(used: Used) -> tuple[str, ...]:
    counts = used.jobs, used.batches, used.failures
    tokens = used.calls, used.turns, used.input_tokens, used.cached_tokens, used.output_tokens
    cost = f"{used.cost_micros / 1e6:.4f}"
    times = f"{used.cpu_seconds:.2f}s", f"{used.wall_seconds:.2f}s"
    return (*map(str, counts), *times, *map(str, tokens), cost, str(used.unpriced))


def _plain(used: Used) -> dict[str, Any]:
    from statek.inspection.plain import plain

    told: dict[str, Any] = plain(used)
    return told
