"""A scheduler with an application in it, from its settings to its end in good order."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from statek.agents.agent import Agent
from statek.agents.providers import Provider
from statek.application import asking
from statek.calls.application import Application
from statek.errors import AlreadyRunning
from statek.logs.configuring import Logs
from statek.service.configured import log_options, service_options
from statek.service.dispatching import Dispatching, QueueLogic
from statek.service.service import Service
from statek.settings import Settings, load_settings
from statek.store.directory import StoreDirectory
from statek.store.taking import take

if TYPE_CHECKING:
    from statek.service.starting import Setup


@dataclass(frozen=True, slots=True)
class Plan:
    """What an application wants to have run; see `starting.StartOptions`."""

    agents: Sequence[Agent] | None
    queues: tuple[str, ...] | None
    max_concurrency: int | None
    logic: QueueLogic
    store: Path | str | None = None
    settings: Settings | Mapping[str, Any] | Path | str | None = None
    setup: Setup | None = None
    tools: Sequence[Callable[..., Any]] = ()
    classes: Sequence[type] = ()
    provider: Provider | Sequence[Provider] | None = None
    listen: str | None = None
    workers: int | None = None
    on_started: Callable[[str], object] | None = None


_here: list[Path] = []
"""The store of the scheduler that runs in this process."""


async def run(plan: Plan) -> None:
    """Run a scheduler until its work is over, or this is cancelled; then it ends in good order.

    Raises `AlreadyRunning` where there is one in this process, and other `StatekError`s that keep it from starting.
    """
    settings = settings_of(plan)
    if _here:
        raise AlreadyRunning(_here[0])
    _here.append(settings.store)
    try:
        await _run(plan, settings)
    finally:
        _here.clear()


async def _run(plan: Plan, settings: Settings) -> None:
    application = Application(
        agents=plan.agents, push_queues=plan.queues, tools=plan.tools, classes=plan.classes, setup=plan.setup
    )
    options = service_options(settings, application, _providers(plan.provider))
    directory = StoreDirectory.create_or_open(settings.store)
    lock = await take(directory)
    try:
        service = Service(directory, lock, options)
        logs = Logs(log_options(settings), logging.getLogger("statek"))
    except BaseException:
        lock.release()
        raise
    with logs:
        await _serve(service, plan, partial(_begin_dispatching, directory, plan, settings))


def settings_of(plan: Plan) -> Settings:
    """Put the settings together; raises `SettingsRefused`, TypeError for what is said twice."""
    given: dict[str, Any] = {"store": plan.store, "max_concurrency": plan.max_concurrency}
    given |= {"listen": plan.listen, "workers": plan.workers}
    said = {name: value for name, value in given.items() if value is not None}
    match plan.settings:
        case Settings():
            if said:
                raise TypeError(f"{', '.join(said)}: say it in the settings, or leave settings= out")
            return plan.settings
        case str() | Path() as file:
            return load_settings(Path(file), **said)
        case None:
            return load_settings(**said)
    twice = said.keys() & plan.settings.keys()
    if twice:
        raise TypeError(f"{', '.join(sorted(twice))}: said twice, by itself and in settings=")
    return load_settings(**plan.settings, **said)


def _providers(given: Provider | Sequence[Provider] | None) -> tuple[Provider, ...]:
    if given is None:
        return ()
    return (given,) if isinstance(given, Provider) else tuple(given)


def _begin_dispatching(directory: StoreDirectory, plan: Plan, settings: Settings) -> asyncio.Task[None] | None:
    """Let the application's queue logic start jobs, if it has any; the task ends when everything is over."""
    logic = plan.logic
    if logic.start_jobs is None and not logic.sizes and not logic.auto_terminate:
        return None
    here = asking.scheduler_here(directory.path)
    assert here is not None, "the service has just started"
    queues = None if plan.queues is None else frozenset(plan.queues)
    return asyncio.create_task(Dispatching(here, logic, settings.max_concurrency, queues).run())


async def _serve(service: Service, plan: Plan, begin: Callable[[], asyncio.Task[None] | None]) -> None:
    """Run the service until it fails, its work is over, or this is cancelled."""
    started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(service.run(started.set_result))
    work: asyncio.Task[None] | None = None
    try:
        await asyncio.wait((running, started), return_when=asyncio.FIRST_COMPLETED)
        if started.done() and not running.done():
            if plan.on_started is not None:
                plan.on_started(started.result())
            work = begin()
            await asyncio.wait((running,) if work is None else (running, work), return_when=asyncio.FIRST_COMPLETED)
    finally:
        if work is not None:
            work.cancel()
        service.stop()
        await running  # cancelled a second time, it does not wait for anything
    if work is not None and work.done() and not work.cancelled():
        work.result()
