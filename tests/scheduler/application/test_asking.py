"""Having something decided by a store's scheduler: what is asked where nobody could answer is told at once."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path
from typing import Any, cast

import pytest

from statek.application import asking
from statek.calls.application import Application
from statek.errors import SchedulerSilent
from statek.store.directory import StoreDirectory
from statek.store.mirror import THREAD_NAME


def decided(store: Path) -> int:
    return asking.decided(store, lambda loop, _: loop.ledger.last_cursor, lambda _: -1)


def raised_in(name: str, store: Path) -> BaseException | None:
    """Ask in a thread of that name, and return what is raised there."""
    found: list[BaseException | None] = []

    def ask() -> None:
        try:
            decided(store)
        except (RuntimeError, SchedulerSilent) as error:
            found.append(error)
        else:
            found.append(None)

    thread = threading.Thread(target=ask, name=name)
    thread.start()
    thread.join()
    return found[0]


def test_where_no_scheduler_runs_it_is_decided_in_the_ledger(tmp_path: Path) -> None:
    store = StoreDirectory.create_or_open(tmp_path / "store").path
    assert decided(store) == 0
    threads = [threading.Thread(target=decided, args=(store,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(SchedulerSilent, match="there is no store at"):
        decided(tmp_path / "store")
    assert not (tmp_path / "store").exists()


def test_an_application_that_asks_while_it_is_loaded_is_told_so_at_once(tmp_path: Path) -> None:
    directory = StoreDirectory.create_or_open(tmp_path / "store")
    application = Application(setup=dict)

    async def main() -> None:
        stop = asking.serve(directory, cast(Any, None), application, cast(Any, None))
        try:
            error = await asyncio.to_thread(raised_in, THREAD_NAME, directory.path)
            assert isinstance(error, RuntimeError)
            assert "while the application is loaded" in str(error)
            with pytest.raises(RuntimeError, match="cannot wait for itself"):
                decided(directory.path)
        finally:
            stop()

    asyncio.run(main())
