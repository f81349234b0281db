"""Starting STATEK inside an application's process: one scheduler with its agents and queues, until it is told to stop.

    start_statek(agents=[dispatcher, researcher], push_queues=[main_queue], max_concurrency=100)

Each of these starts one scheduler on one store, as `statek scheduler` does, with the application in it. They differ in
what they are told about agents, and in who owns the event loop.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypedDict, Unpack

from statek.agents.agent import Agent
from statek.application.push_queue import PushQueue, role_of
from statek.loop.queueing import MAIN
from statek.service.dispatching import QueueLogic, QueueSize, StartJobs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from statek.agents.providers import Provider
    from statek.settings import Settings

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)

QueueSizes = Mapping[Agent, QueueSize] | Mapping[str, QueueSize]
"""By agent, or by its name: how many tasks wait for a job of it to pick them."""
Setup = Callable[[], Mapping[str, object]]
"""Opens the application's prefixes and returns the variables that guests see; in dbzero's thread, dbzero being open."""


class StartOptions(TypedDict, total=False):
    """What can be said of any start. What is not said is as the settings have it (`statek settings` shows them)."""

    store: Path | str | None
    """The store's directory."""
    settings: Settings | Mapping[str, Any] | Path | str | None
    """All settings as one value, or some by name, or a settings file; without it environment and file are read."""
    setup: Setup | None
    """Called in dbzero's thread once dbzero is open, and again whenever that had to be opened anew."""
    tools: Sequence[Callable[..., Any]]
    """Tools besides those of the agents: for jobs of clients' own batches."""
    classes: Sequence[type]
    """Classes of which guests may be handed objects, besides dbzero's and the application's own."""
    provider: Provider | Sequence[Provider] | None
    """Whom models are asked of; the first is the default one. None for the one that the settings name."""
    listen: str | None
    """Where executors connect; None for a local pool."""
    workers: int | None
    """Of the local pool."""
    on_started: Callable[[str], object] | None
    """Called in the scheduler's loop once jobs can be submitted, with the address for executors."""


@dataclass(frozen=True, slots=True)
class AgentLoopDef:
    """An agent of a fleet, and how its jobs start."""

    agent: Agent
    warmup_code: str | None = None
    """In the place of the agent's own warm-up; None for that."""
    task_queue_size_func: QueueSize | None = None
    """Tells how many tasks of the application wait for a job of the agent to pick them."""


def start_statek(
    agents: Sequence[Agent] | None = None,
    push_queues: Sequence[PushQueue | str] | None = None,
    max_concurrency: int | None = None,
    *,
    task_queue_size_funcs: QueueSizes | None = None,
    **options: Unpack[StartOptions],
) -> None:
    """Run a scheduler with these agents and queues until SIGTERM or SIGINT; None for all that the store knows.

    It stops in good order: what it is doing becomes durable, and the next start goes on from there. A second signal
    ends the process at once. After SIGINT it raises KeyboardInterrupt. Raises RuntimeError where an event loop runs
    already, and what `start_statek_async` raises. `max_concurrency` bounds the jobs that are active at the same time.
    """
    _refuse_inside_a_loop()
    main = start_statek_async(
        agents, push_queues, max_concurrency, task_queue_size_funcs=task_queue_size_funcs, **options
    )
    if asyncio.run(_until_signal(main)) == signal.SIGINT:
        raise KeyboardInterrupt


async def start_statek_async(
    agents: Sequence[Agent] | None = None,
    push_queues: Sequence[PushQueue | str] | None = None,
    max_concurrency: int | None = None,
    *,
    task_queue_size_funcs: QueueSizes | None = None,
    **options: Unpack[StartOptions],
) -> None:
    """Run a scheduler in the caller's event loop until it is cancelled; otherwise as `start_statek`.

    Cancelling stops it in good order, which takes a moment; cancelling again, at once. Raises `AgentRefused` for agents
    that contradict each other, `SettingsRefused`, `StoreLocked` where the store has a scheduler, other `StatekError`s.
    """
    sizes = {role_of(agent): size for agent, size in (task_queue_size_funcs or {}).items()}
    await _run(agents, push_queues, max_concurrency, QueueLogic(sizes=sizes), options)


async def run_jobs_loop(
    max_concurrency: int | None = None,
    queue_prefixes: Iterable[str] = (MAIN,),
    *,
    start_jobs_func: StartJobs | None = None,
    auto_terminate: bool = False,
    agents: Sequence[Agent] | None = None,
    **options: Unpack[StartOptions],
) -> None:
    """Run a scheduler for the jobs and agents of a store: the lowest of the loops, for workers of one's own.

    `start_jobs_func(capacity)` starts jobs by the application's own logic, `capacity` of them at most; it is called in
    dbzero's thread whenever there is room and something may have changed. With `auto_terminate` it returns when nothing
    is under way, suspended or queued any more.
    """
    logic = QueueLogic(start_jobs=start_jobs_func, auto_terminate=auto_terminate)
    await _run(agents, queue_prefixes, max_concurrency, logic, options)


async def run_agentic_loop(
    agent: Agent,
    warmup_code: str | None = None,
    task_queue_size_func: QueueSize | None = None,
    queue_prefixes: Iterable[str] = (MAIN,),
    max_concurrency: int | None = None,
    *,
    auto_terminate: bool = False,
    **options: Unpack[StartOptions],
) -> None:
    """Run a scheduler for one agent: `run_agentic_fleet` of one."""
    fleet = [AgentLoopDef(agent, warmup_code, task_queue_size_func)]
    await run_agentic_fleet(fleet, queue_prefixes, max_concurrency, auto_terminate=auto_terminate, **options)


async def run_agentic_fleet(
    agent_loop_defs: Sequence[AgentLoopDef],
    queue_prefixes: Iterable[str] = (MAIN,),
    max_concurrency: int | None = None,
    *,
    auto_terminate: bool = False,
    **options: Unpack[StartOptions],
) -> None:
    """Run a scheduler for some agents, each with the jobs that its queue asks for.

    For each agent as many jobs are started as its `task_queue_size_func()` tells of tasks that none of its jobs is
    about to pick, and as there is room for. One agent's trouble is none of the others'.
    """
    agents = [_with_warmup(one) for one in agent_loop_defs]
    sizes = {one.agent.role: one.task_queue_size_func for one in agent_loop_defs if one.task_queue_size_func}
    logic = QueueLogic(sizes=sizes, auto_terminate=auto_terminate)
    await _run(agents, queue_prefixes, max_concurrency, logic, options)


def _with_warmup(one: AgentLoopDef) -> Agent:
    return one.agent if one.warmup_code is None else one.agent.with_warmup(one.warmup_code)


async def _run(
    agents: Sequence[Agent] | None,
    queues: Iterable[PushQueue | str] | None,
    max_concurrency: int | None,
    logic: QueueLogic,
    options: StartOptions,
) -> None:
    from statek.service.running import Plan, run  # what only a scheduler needs

    await run(Plan(agents, _names_of(queues), max_concurrency, logic, **options))


def _names_of(queues: Iterable[PushQueue | str] | None) -> tuple[str, ...] | None:
    """Return the names of queues, in which one text is not meant as a name for each of its letters."""
    if isinstance(queues, str):
        raise TypeError(f"a list of queues or of their names is needed: [{queues!r}]")
    return None if queues is None else tuple(queue if isinstance(queue, str) else queue.name for queue in queues)


def _refuse_inside_a_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("an event loop runs here already: use `await start_statek_async(...)` in it")


async def _until_signal(main: Coroutine[Any, Any, None]) -> int | None:
    """Run until it ends or a signal comes; returns the signal. A second one ends the process."""
    received: list[int] = []
    task = asyncio.create_task(main)

    def on_signal(number: int) -> None:
        if received:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        received.append(number)
        task.cancel()

    with _handled(on_signal):
        try:
            await task
        except asyncio.CancelledError:
            if not received:
                raise
    return received[0] if received else None


@contextmanager
def _handled(on_signal: Callable[[int], None]) -> Iterator[None]:
    """Take signals in the loop; only the main thread can."""
    loop, here = asyncio.get_running_loop(), threading.current_thread() is threading.main_thread()
    for number in _SIGNALS if here else ():
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in _SIGNALS if here else ():
            loop.remove_signal_handler(number)
