"""The command statek-executor: an executor pool on this host, until SIGTERM or SIGINT."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import logging
import os
import signal
import sys
from pathlib import Path

from statek_executor.errors import ExecutorError
from statek_executor.supervisor.host_posture import describe_posture, find_posture
from statek_executor.supervisor.probing import ProbeFailed
from statek_executor.supervisor.service import Supervisor
from statek_executor.supervisor.zygote_client import ZygoteFailed
from statek_policies import PolicyError, parse_limit
from statek_protocol.errors import ProtocolError
from statek_protocol.transport.endpoints import parse_endpoint
from statek_protocol.transport.keys import default_directory

WORKERS_LIMIT = 1_000
PARKING = 100
"""Interpreters that are kept while they wait: each costs some two megabytes and three descriptors."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=options.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        if options.posture:
            return _print_posture()
        endpoint = parse_endpoint(options.connect)
        if endpoint.path is not None and not endpoint.path.parent.is_dir():
            print(f"statek-executor: no directory {endpoint.path.parent} to find a socket in", file=sys.stderr)
            return 2
        supervisor = Supervisor(
            endpoint,
            workers=options.workers,
            keys=options.keys,
            parking=options.parking,
            memory_budget_bytes=options.memory_budget,
        )
        asyncio.run(_serve(supervisor, until_stdin_closes=options.until_stdin_closes))
    except (ExecutorError, ProtocolError, ProbeFailed, ZygoteFailed) as error:
        print(f"statek-executor: {error}", file=sys.stderr)
        return 1
    return 0


def _print_posture() -> int:
    print(json.dumps(describe_posture(find_posture())))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="statek-executor",
        description="Run hostile code for a STATEK scheduler, each job in a locked-down process of its own.",
    )
    add = parser.add_argument
    cores = os.cpu_count() or 1
    purpose = parser.add_mutually_exclusive_group(required=True)
    purpose.add_argument("--connect", metavar="ENDPOINT", help="tcp://HOST:PORT or ipc://PATH")
    purpose.add_argument(
        "--posture", action="store_true", help="print the isolation layers of this host as JSON and end"
    )
    add("--workers", type=_workers, default=cores, metavar="N", help="jobs at once (default: one per core)")
    add("--parking", type=_parking, default=PARKING, metavar="N", help=f"waiting jobs kept beside them ({PARKING})")
    budget = "for waiting jobs together (default: an eighth of memory)"
    add("--memory-budget", type=_bytes, default=_an_eighth_of_memory(), metavar="BYTES", help=budget)
    add("--keys", type=Path, default=default_directory(), metavar="DIR", help="CURVE keys, for tcp")
    add("--log-level", default="WARNING", choices=["DEBUG", "INFO", "WARNING", "ERROR"])
    add("--until-stdin-closes", action="store_true", help="stop when standard input ends, as a pool of a parent's")
    return parser


def _workers(text: str) -> int:
    number = int(text)
    if not 1 <= number <= WORKERS_LIMIT:
        raise argparse.ArgumentTypeError(f"between 1 and {WORKERS_LIMIT}, not {number}")
    return number


def _parking(text: str) -> int:
    number = int(text)
    if not 0 <= number <= WORKERS_LIMIT:
        raise argparse.ArgumentTypeError(f"between 0 and {WORKERS_LIMIT}, not {number}")
    return number


def _bytes(text: str) -> int:
    """Read a number of bytes as it is spelled in a limit: 512MiB."""
    try:
        return int(parse_limit(f"memory_bytes={text}")[1])
    except PolicyError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _an_eighth_of_memory() -> int:
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 8


async def _serve(supervisor: Supervisor, *, until_stdin_closes: bool) -> None:
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, supervisor.stop)
    if until_stdin_closes:
        stdin = sys.stdin.fileno()
        loop.add_reader(stdin, lambda: None if os.read(stdin, 4096) else supervisor.stop())
    with contextlib.suppress(asyncio.CancelledError):
        await supervisor.run()


if __name__ == "__main__":
    sys.exit(main())
