"""statek scheduler: run the scheduler of a store until SIGTERM or SIGINT."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import click

from statek.cli.options import open_store, settings_or_exit, wrong_usage
from statek.cli.terminal import say
from statek.errors import AppUnusable, StatekError
from statek.logs.configuring import Level, Logs
from statek.store.errors import StoreError
from statek_protocol.errors import ProtocolError

if TYPE_CHECKING:
    from statek.service.service import Service


@click.command("scheduler", short_help="Run the scheduler of a store.")
@click.option("--store", type=click.Path(path_type=Path), help="The store's directory.")
@click.option("--listen", metavar="ENDPOINT", help="Where executors connect: tcp://HOST:PORT or ipc://PATH.")
@click.option("--workers", type=click.IntRange(1, 1000), help="Jobs at once in the local pool (default: one per core).")
@click.option("--app", type=click.Path(path_type=Path), help="Offer this Python file's `tools` and `locals` to guests.")
@click.option("--keys", type=click.Path(path_type=Path), help="CURVE keys, for tcp (default: the user's own).")
@click.option("--max-concurrency", type=click.IntRange(1, 100_000), help="Jobs that hold an executor at once.")
@click.option("--tool-timeout-seconds", type=click.FloatRange(0.001), help="How long a call may take (300).")
@click.option("--max-suspended", type=click.IntRange(0), help="Jobs that wait for futures at once (100000).")
@click.option("--park-seconds", type=click.FloatRange(0), help="How long a job that waits keeps its interpreter (30).")
@click.option("--max-parked", type=click.IntRange(0), help="How many waiting jobs keep theirs at once (1000).")
@click.option("--copy-seconds", type=click.FloatRange(0), help="How soon changed dbzero prefixes are copied (300).")
@click.option("--copies-kept", type=click.IntRange(1, 1000), help="How many copies are kept of each prefix (3).")
@click.option("--retain-days", type=click.FloatRange(0), help="How long jobs are kept after their end (for ever).")
@click.option("--compact-factor", type=click.FloatRange(0), help="How far dbzero's file may outgrow its jobs (8).")
@click.option("--http", metavar="HOST:PORT", help="Let clients come over HTTP here (`statek token` says who may).")
@click.option(
    "--log-level",
    type=click.Choice(get_args(Level), case_sensitive=False),
    help="How much is logged.",
)
def scheduler_command(http: str | None, **given: Any) -> None:
    """Run the scheduler of a store until SIGTERM or SIGINT.

    With --listen, executor pools connect from outside (statek-executor --connect ENDPOINT). Without it, a local pool is
    started and ends with the scheduler.

    What is not said here is taken from the environment, a settings file and the defaults: `statek settings` shows it.
    """
    settings = settings_or_exit(**given, **_http(http))
    from statek.service.configured import log_options, service_options
    from statek.service.service import Service
    from statek.store.taking import take

    directory = open_store(settings.store, must_exist=False)
    try:
        options = service_options(settings)
        lock = asyncio.run(take(directory))
        logs = Logs(log_options(settings))
    except (StatekError, ProtocolError, StoreError) as error:
        wrong_usage(str(error))
    try:
        with logs:
            asyncio.run(_serve(Service(directory, lock, options)))
    except AppUnusable as error:
        wrong_usage(str(error))
    except (StatekError, StoreError, ProtocolError) as error:
        say(str(error))
        sys.exit(1)


async def _serve(service: Service) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, service.stop)

    def tell(address: str) -> None:
        if service.http_address is not None:
            say(f"clients connect to {service.http_address}")
        say(f"scheduler ready, executors connect to {address}")

    await service.run(tell)


def _http(place: str | None) -> dict[str, Any]:
    """Read --http as settings; without it they stay as they are."""
    if place is None:
        return {}
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdecimal():
        wrong_usage(f"--http takes HOST:PORT, as in 127.0.0.1:8700, not {place!r}")
    return {"http_enabled": True, "http_host": host.strip("[]"), "http_port": int(port)}
