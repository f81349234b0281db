"""Futures that depend on dbzero objects: looked at when something changes there, and found again after a restart."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from futures_stand import PATIENCE, FutureRef, Waits, waits

from statek import FutureResult, temporal
from statek.store.mirror import Mirror
from statek_protocol.operations import FUTURE_VALUE

WRITER = """
import sys
import dbzero as db0
from statek_test_approvals import Approval
db0.init(sys.argv[1], autocommit=False)
db0.open("approvals", "rw")
approval = Approval()
db0.tags(approval).add("open")
db0.commit()
print("made", flush=True)
sys.stdin.readline()
approval.granted = "yes"
db0.commit()
db0.close()
"""
MODEL = """
import dbzero as db0
@db0.memo(id="test/Approval", prefix="approvals")
class Approval:
    def __init__(self):
        self.granted = None
"""


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with the application's classes, which can be imported."""
    (tmp_path / "statek_test_approvals.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "statek_test_approvals", raising=False)
    return tmp_path


class Approvals:
    """An application that waits for a field of a dbzero object."""

    def __init__(self) -> None:
        self.looked = 0

    @property
    def tool(self) -> Callable[..., Any]:
        def granted(future: FutureResult) -> bool:
            self.looked += 1
            return future.deps["approval"].granted is not None

        @temporal(lambda future: future.deps["approval"].granted, granted)
        def wait_for_approval() -> FutureResult:
            return FutureResult({"approval": self.find(), "why": ("a trip",)}, self.state())

        return wait_for_approval

    @staticmethod
    def find() -> Any:
        import dbzero as db0
        from statek_test_approvals import Approval

        return next(iter(db0.find(Approval, "open")))

    @staticmethod
    def state() -> int:
        import dbzero as db0

        return int(db0.get_state_num("approvals"))


def open_approvals(mode: str) -> None:
    import dbzero as db0
    from statek_test_approvals import Approval

    db0.open("approvals", mode)
    if mode == "rw" and not list(db0.find(Approval, "open")):
        db0.tags(Approval()).add("open")
        db0.commit()


def grant() -> None:
    Approvals.find().granted = "yes"


@asynccontextmanager
async def scheduler(path: Path, approvals: Approvals, mode: str = "rw") -> AsyncIterator[tuple[Waits, Mirror]]:
    async with waits(path / "ledger", approvals.tool, dbzero=True, before=lambda: open_approvals(mode)) as here:
        assert isinstance(here.thread, Mirror)
        yield here, here.thread


async def in_thread(mirror: Mirror, function: Callable[[], Any], **options: bool) -> Any:
    return await asyncio.wait_for(asyncio.wrap_future(mirror.submit(function, **options)), PATIENCE)


async def suspended(here: Waits) -> tuple[str, Any]:
    job, lease = here.submitted()
    here.call(lease, 0, "wait_for_approval")
    assert await here.answer(lease, 0) == FutureRef(0)
    here.call(lease, 1, FUTURE_VALUE, FutureRef(0), instruction=4)
    await here.until(lambda: here.job(job).status == "SUSPENDED")
    return job, lease


def test_the_condition_is_asked_when_the_application_has_run_and_not_all_the_time(model: Path) -> None:
    async def test() -> None:
        approvals = Approvals()
        async with scheduler(model, approvals) as (here, mirror):
            _, lease = await suspended(here)
            await here.until(lambda: approvals.looked == 1)
            for _ in range(20):
                await in_thread(mirror, lambda: None, quiet=True)
                await asyncio.sleep(0.01)
            assert approvals.looked == 1
            await in_thread(mirror, grant)
            assert await here.answer(lease, 1) == "yes"

    asyncio.run(test())


def test_a_wait_on_an_object_goes_on_after_a_restart(model: Path) -> None:
    async def test() -> None:
        approvals = Approvals()
        async with scheduler(model, approvals) as (here, _):
            job, _ = await suspended(here)
        async with scheduler(model, approvals) as (here, mirror):
            await here.until(lambda: here.watcher.watching == 1)
            await in_thread(mirror, grant, durable=True)
            await here.until(lambda: not here.job(job).futures)
            lease = here.executor.lease
            here.call(lease, 0, "wait_for_approval")
            await here.answer(lease, 0)
            here.call(lease, 1, FUTURE_VALUE, FutureRef(0))
            assert await here.answer(lease, 1) == "yes"

    asyncio.run(test())


def test_what_a_suspended_job_waits_for_is_seen_on_its_object(model: Path) -> None:
    def seen(job: str) -> tuple[object, ...]:
        from statek.store.objects import find_job

        found = find_job(job)
        assert found is not None
        awaited = found.awaited_result
        if awaited is None:
            return found.status, found.next_instr_num, None
        deps = awaited.deps
        assert deps["why"] == ("a trip",)
        assert deps["approval"].granted == Approvals.find().granted
        assert awaited.state_num is not None
        return found.status, found.next_instr_num, awaited.function, awaited.check_condition()

    async def test() -> None:
        approvals = Approvals()
        async with scheduler(model, approvals) as (here, mirror):
            job, lease = await suspended(here)
            await asyncio.to_thread(mirror.wait_until, here.stand.ledger.last_cursor, PATIENCE)
            assert await in_thread(mirror, lambda: seen(job)) == ("SUSPENDED", 4, "wait_for_approval", False)
            await in_thread(mirror, grant)
            await here.answer(lease, 1)
            await asyncio.to_thread(mirror.wait_until, here.stand.ledger.last_cursor, PATIENCE)
            assert await in_thread(mirror, lambda: seen(job)) == ("STARTED", 4, None)

    asyncio.run(test())


def test_a_change_that_another_process_commits_is_seen(model: Path) -> None:
    async def test(writer: subprocess.Popen[str]) -> None:
        approvals = Approvals()
        async with scheduler(model, approvals, "r") as (here, _):
            _, lease = await suspended(here)
            await here.until(lambda: approvals.looked == 1)
            assert writer.stdin is not None
            writer.stdin.write("go\n")
            writer.stdin.flush()
            assert await here.answer(lease, 1) == "yes"
            assert approvals.looked <= 3

    (model / "dbzero").mkdir(mode=0o700)
    arguments = [sys.executable, "-c", WRITER, str(model / "dbzero")]
    with subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": str(model)}
    ) as writer:
        try:
            assert writer.stdout is not None
            assert writer.stdout.readline() == "made\n"
            asyncio.run(test(writer))
            assert writer.wait(PATIENCE) == 0
        finally:
            writer.kill()


@pytest.mark.parametrize(
    ("deps", "text"),
    [
        (object, "deps: a object cannot cross"),
        (lambda: [print], "deps[0]: a builtin_function_or_method cannot cross"),
        (lambda: "x" * 70_000, "deps: larger than 32704 bytes"),
    ],
)
def test_deps_that_could_not_be_found_again_are_refused_where_the_future_is_made(
    deps: Callable[[], object], text: str, tmp_path: Path
) -> None:
    @temporal(lambda _: 1, lambda _: False)
    def wait() -> FutureResult:
        return FutureResult(deps())

    async def test() -> None:
        async with waits(tmp_path / "ledger", wait) as here:
            job, lease = here.submitted()
            kind, told = await here.ask(lease, 0, "wait")
            assert kind == "TypeError"
            assert "the deps of a future are dbzero objects and plain values" in told
            assert text in told
            assert not here.job(job).futures

    asyncio.run(test())
