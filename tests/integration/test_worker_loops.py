"""The programs of the operations guide that run a worker, word for word; what they do not declare is supplied here."""

from __future__ import annotations

import ast
import asyncio
import signal
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from integration.applications import Scripts, program, until
from integration.services import wait_for
from scripted_model import Answer, ScriptedModel

from statek import Agent, PushQueue, StatekClientAPI, find_jobs, run_jobs_loop
from statek.application.asking import decided
from statek.store.directory import StoreDirectory

scripts = Scripts()
scripts.add(Answer(code="exit(event['text'])"), marker="You dispatch.")
dispatcher = Agent("dispatcher", "You dispatch.", model="scripted", warmup="event = incoming_event")


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedModel]:
    with ScriptedModel(scripts) as model:
        yield model


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: ScriptedModel) -> Path:
    """A store that knows the agent and has an event for it; the environment says where it is, and the model."""
    store = StoreDirectory.create_or_open(tmp_path / "store").path
    monkeypatch.setenv("STATEK_STORE", str(store))
    monkeypatch.setenv("STATEK_MODEL_BASE_URL", model.base_url)
    decided(store, lambda loop, tick: loop.roster.define(tick, [dispatcher.definition()]), lambda _: None)
    PushQueue().push_to_agent_queue(dispatcher, {"text": "as written"})
    return store


async def evaluated(snippet: str, names: dict[str, Any]) -> None:
    """Run lines that await at their top level."""
    code = compile(snippet, "seed", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    coroutine = eval(code, names)
    if coroutine is not None:
        await coroutine


LOOPS = {
    "start_statek_async": """
from statek import start_statek_async
await start_statek_async(
agents=[dispatcher],
push_queues=[main_queue],
)
""",
    "run_jobs_loop": """
await run_jobs_loop(
max_concurrency=100,
queue_prefixes=["main"],
)
""",
    "run_jobs_loop, bounded": """
await run_jobs_loop(
max_concurrency=50,
queue_prefixes=["main"],
)
""",
}


@pytest.mark.parametrize("snippet", LOOPS.values(), ids=LOOPS)
def test_a_worker_runs_as_written(store: Path, snippet: str) -> None:
    names = {"dispatcher": dispatcher, "main_queue": PushQueue("main"), "run_jobs_loop": run_jobs_loop}

    async def main() -> None:
        task = asyncio.ensure_future(evaluated(snippet, names))
        try:
            (done,) = await until(lambda: task.done() or find_jobs(status="DONE", store=store).jobs, "a job has ended")
            assert done.exit_status == "as written"
        finally:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task

    asyncio.run(main())


def test_a_typical_service_starts_as_written(tmp_path: Path, store: Path) -> None:
    marker = scripts.add(Answer(code="exit('researched')"))
    command = program(
        tmp_path,
        """
import os
from statek import Agent, PushQueue

dispatcher = Agent("dispatcher", model="scripted")
researcher = Agent("researcher", model="scripted")
main_queue = PushQueue("main")

from statek import start_statek
start_statek(
agents=[dispatcher, researcher],
push_queues=[main_queue],
max_concurrency=100,
)
""",
        environment={
            "STATEK_LOG_LEVEL": "INFO",
            "STATEK_LOGS_PATH": str(tmp_path / "statek-logs"),
        },
    )
    try:
        wait_for(lambda: (store / "client.sock").exists() or command.process.poll() is not None, "it has started")
        job = StatekClientAPI(store=store).submit_new_job("researcher", message=marker)
        assert job.wait(60).exit_status == "researched"
    finally:
        command.kill(signal.SIGTERM)
        assert command.wait() == 0, command.log.read_text()
    assert list((tmp_path / "statek-logs").iterdir())
