"""An interpreter between two turns of a conversation: kept while places are free, and never at anybody's expense."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from pathlib import Path
from typing import Any

from loop_stand import FakeExecutor
from talk_stand import TalkStand, ended, lease_of, talk_stand

from statek.calls.offered import Offered
from statek.core.events import LeaseEnded, LeaseGranted
from statek.loop.placing import MADE_ROOM
from statek_protocol.messages.executor import Grant, Lost, Release
from statek_protocol.messages.interpreter import Load, Run


def kept(test: Callable[[TalkStand], Coroutine[Any, Any, None]]) -> Callable[[Path], None]:
    """Run a test in an event loop, in a scheduler with few places that keeps interpreters."""

    @wraps(test)
    def run(tmp_path: Path) -> None:
        async def main() -> None:
            with talk_stand(tmp_path / "ledger", park_seconds=60, max_concurrency=2) as here:
                await test(here)

        asyncio.run(main())

    del run.__wrapped__  # pytest would ask for its parameters
    return run


def finish(here: TalkStand, executor: FakeExecutor) -> None:
    """Let the batch that runs there end well."""
    lease, run = lease_of(executor)
    executor.send(lease, ended(run))
    here.base.turn()


def one_turn(here: TalkStand) -> tuple[FakeExecutor, str]:
    """A job whose interpreter waits for its second reply."""
    executor = here.base.executor()
    job = here.start()
    here.write("x = 1")
    finish(here, executor)
    return executor, job


@kept
async def test_the_code_of_the_next_reply_runs_where_the_variables_are(here: TalkStand) -> None:
    executor, job = one_turn(here)
    assert (here.base.job(job).status, here.base.job(job).leased) == ("STARTED", True)
    assert (here.base.loop.placing.parked, here.base.loop.placing.active) == (1, 0)
    here.write("x += 1")
    assert [run.batch for run in executor.all(Run)] == [1, 2]
    assert (len(executor.all(Grant)), len(executor.all(Load))) == (1, 1)
    assert (here.base.loop.placing.parked, here.base.loop.placing.active) == (0, 1)
    finish(here, executor)
    here.reply("That is all.")
    assert here.base.job(job).outcome == "ok"
    assert len(executor.all(Release)) == 1
    assert here.base.loop.placing.parked == 0


@kept
async def test_a_ready_job_gets_the_place_of_an_interpreter_that_is_only_kept(here: TalkStand) -> None:
    executor, job = one_turn(here)
    other = here.start("print('warm')")
    assert [event.reason for event in here.of(job, LeaseEnded)] == [MADE_ROOM]
    executor.offer()
    here.base.turn()
    assert executor.lease.lease.startswith(other)
    assert here.base.job(job).conversation is not None
    here.asked[1].write("x += 1")
    here.base.turn()
    assert here.base.job(job).status == "READY"
    finish(here, executor)
    assert here.of(job, LeaseGranted)[-1].epoch == 1, "the other's interpreter is kept until somebody needs its place"
    executor.offer()
    here.base.turn()
    assert here.base.job(job).running is not None


@kept
async def test_code_waits_in_the_interpreter_that_is_kept_until_there_is_a_place(here: TalkStand) -> None:
    executor, job = one_turn(here)
    executor.offer()
    busy = here.start("while True: pass")
    assert here.base.job(busy).running is not None, "in the worker that the conversation does not need meanwhile"
    here.write("x += 1")
    assert here.base.job(job).running is not None
    assert [run.batch for run in executor.all(Run)] == [1, 1], "it is on record, and not sent yet"
    here.cancel(busy)
    assert [run.batch for run in executor.all(Run)] == [1, 1, 2]
    assert len(executor.all(Grant)) == 2


@kept
async def test_an_executor_that_dies_between_two_turns_harms_nobody(here: TalkStand) -> None:
    executor, job = one_turn(here)
    executor.endpoint.gone.add(executor.identity)
    here.base.loop.do(here.base.pool.check_presence)
    here.base.turn()
    assert (here.base.job(job).leased, here.base.job(job).status) == (False, "STARTED")
    other = here.base.executor("b")
    here.write("x += 1")
    assert other.all(Load)[0].workspace
    assert [run.batch for run in other.all(Run)] == [2]


@kept
async def test_an_interpreter_that_dies_between_two_turns_is_replaced(here: TalkStand) -> None:
    executor, job = one_turn(here)
    executor.send(executor.lease, Lost(None, "stopped", "the executor needs the memory of its longest waits", None))
    executor.offer()
    here.base.turn()
    assert not here.base.job(job).leased
    here.write("x += 1")
    assert [event.epoch for event in here.of(job, LeaseGranted)] == [1, 2]
    assert [run.batch for run in executor.all(Run)] == [1, 2]


@kept
async def test_a_job_is_given_new_variables_of_its_application_before_its_next_batch(here: TalkStand) -> None:
    executor, job = one_turn(here)
    here.base.tools.offered = Offered(exports=("calendar",))
    here.write("x += 1")
    assert [event.reason for event in here.of(job, LeaseEnded)] == ["the application has new variables for it"]
    assert here.base.job(job).status == "READY"
    assert [run.batch for run in executor.all(Run)] == [1]
