"""dbzero's objects show what the ledger holds, and one thread runs application code among them."""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from store_histories import ENDS, fill, talks, ticks
from store_mirrors import PATIENCE, expected, mirror_of, objects

import statek
from statek.core import events
from statek.core.evolve import evolve
from statek.errors import BugInScheduler
from statek.store.directory import StoreDirectory
from statek.store.errors import MirrorStopped
from statek.store.ledger import Ledger, Record
from statek.store.mirror import Mirror


def test_the_objects_tell_what_the_ledger_tells(store: StoreDirectory, ledger: Ledger) -> None:
    fill(ledger, 40)
    with mirror_of(store) as mirror:
        assert objects(mirror) == expected(store)
        assert mirror.recovery is None


def test_the_objects_follow_the_ledger_event_by_event(store: StoreDirectory, ledger: Ledger) -> None:
    with mirror_of(store) as mirror:
        for tick in ticks("job-0"):
            mirror.notify(ledger.append(tick.records, tick.jobs, tick.blobs)[-1])
            assert mirror.wait_until(ledger.last_cursor, PATIENCE)
            assert objects(mirror) == expected(store)


@pytest.mark.parametrize("end", ENDS)
def test_what_a_job_and_its_model_say_to_each_other_is_shown_event_by_event(
    store: StoreDirectory, ledger: Ledger, end: str
) -> None:
    with mirror_of(store) as mirror:
        for tick in talks("job-1", end):
            mirror.notify(ledger.append(tick.records, tick.jobs, tick.blobs)[-1])
            assert mirror.wait_until(ledger.last_cursor, PATIENCE)
            assert objects(mirror) == expected(store)


def test_objects_made_anew_are_the_ones_that_were_there(store: StoreDirectory, ledger: Ledger) -> None:
    fill(ledger, 3)
    for number, end in enumerate(ENDS):
        for tick in talks(f"talk-{number}", end):
            ledger.append(tick.records, tick.jobs, tick.blobs)
    with mirror_of(store) as mirror:
        seen, agents = objects(mirror), mirror.submit(agents_seen).result(PATIENCE)
    shutil.rmtree(store.dbzero)
    with mirror_of(store) as mirror:
        assert objects(mirror) == seen == expected(store)
        assert mirror.submit(agents_seen).result(PATIENCE) == agents


def agents_seen() -> dict[str, tuple[Any, ...]]:
    from statek.store.objects import Root

    return {
        agent.agent: (agent.model, agent.definition, agent.jobs, agent.input_tokens, agent.cost, agent.unpriced)
        for agent in Root().agents.values()
    }


def test_jobs_are_found_by_agent_and_counted_by_status(store: StoreDirectory, ledger: Ledger) -> None:
    fill(ledger, 2)
    for number, end in enumerate(ENDS):
        for tick in talks(f"talk-{number}", end):
            ledger.append(tick.records, tick.jobs, tick.blobs)

    def found() -> tuple[int, int, int, int]:
        import dbzero as db0

        from statek.store.objects import Job, Root, agent_tag

        agent = Root().agents[b"researcher"]
        tagged = db0.find(Job, agent_tag("researcher"))
        return len(tagged), agent.jobs, agent.count("DONE"), agent.count("STARTED")

    with mirror_of(store) as mirror:
        assert mirror.submit(found).result(PATIENCE) == (5, 5, 4, 1)
        used = mirror.submit(agents_seen).result(PATIENCE)["researcher"]
    assert used[3:] == (5 * 1_000 + 2 * 90 + 2 * 70, Decimal("0.00635"), 2)


def test_a_forgotten_job_takes_its_tags_and_its_agents_figures_along(store: StoreDirectory, ledger: Ledger) -> None:
    first, *_ = ticks("job-0")
    ledger.append(first.records, first.jobs, first.blobs)
    for name in ("talk-1", "talk-2"):
        for tick in talks(name, "in words"):
            ledger.append(tick.records, tick.jobs, tick.blobs)

    def children() -> list[str]:
        from statek.store.objects import find_job

        parent = find_job("job-0")
        assert parent is not None
        return parent.children

    def found() -> tuple[int, int, list[int]]:
        import dbzero as db0

        from statek.store.objects import Job, Root, agent_tag

        figures = [agent.jobs for agent in Root().agents.values()]
        return len(db0.find(Job, "DONE")), len(db0.find(Job, agent_tag("researcher"))), figures

    with mirror_of(store) as mirror:
        assert mirror.submit(children).result(PATIENCE) == ["talk-1", "talk-2"]
        for name, left in (("talk-1", (1, 1, [1])), ("talk-2", (0, 0, []))):
            gone = events.JobForgotten(name, "ok", 1, 1, 1, 1, "", 1)
            ledger.append([Record(name, 1, gone)], [evolve(None, gone)], {})
            mirror.notify(ledger.last_cursor)
            assert mirror.wait_until(ledger.last_cursor, PATIENCE)
            assert mirror.submit(found).result(PATIENCE) == left
        assert mirror.submit(children).result(PATIENCE) == []
        assert objects(mirror).keys() == {"job-0"}


def test_a_job_that_gets_back_a_status_before_a_commit_is_found_by_it(store: StoreDirectory, ledger: Ledger) -> None:
    """dbzero 0.7.0's tag fields lose the tag of a value that an object had before."""
    first, second, *_ = ticks("job-0")
    steps = [first.records, second.records, [Record("job-0", 1, events.LeaseEnded("lease-1", 1, "gone", blamed=False))]]
    for records in steps:
        ledger.append(records, first.jobs, first.blobs)

    def found() -> list[str]:
        import dbzero as db0

        from statek.store.objects import Job

        return [status for status in ("READY", "STARTED", "DONE") if len(db0.find(Job, status))]

    with mirror_of(store, commit_seconds=3600.0) as mirror:
        assert mirror.submit(found).result(PATIENCE) == ["READY"]


def test_every_kind_of_event_can_be_shown() -> None:
    """One that cannot would end the thread."""
    from statek.store import projection

    apart = (events.JobCreated, events.JobForgotten, events.TurnAnswered)
    ruleless = projection._apply.dispatch(events.Event)
    kinds = [cls for cls in events.EVENTS.values() if cls not in apart]
    assert [cls for cls in kinds if projection._apply.dispatch(cls) is ruleless] == []


def test_a_mirror_goes_on_where_the_last_one_stopped(store: StoreDirectory, ledger: Ledger) -> None:
    for _ in range(3):
        fill(ledger, 5)
        with mirror_of(store) as mirror:
            assert objects(mirror) == expected(store)
            assert mirror.recovery is None


def test_dictionaries_that_grow_step_by_step_lose_nothing(store: StoreDirectory, ledger: Ledger) -> None:
    names = [f"job-{number}" for number in range(60)]

    def numbers() -> list[list[int]]:
        from statek.store.objects import find_job

        return [sorted(job.futures) for name in names if (job := find_job(name)) is not None]

    with mirror_of(store) as mirror:
        for name in names:
            first, *_ = ticks(name)
            mirror.notify(ledger.append(first.records, first.jobs, first.blobs)[-1])
            for number in (0, 2, 4):
                created = events.FutureCreated(number, "promise", key=f"{name}-{number}")
                for event in (events.CallRequested(1, number, "ask", b""), created):
                    mirror.notify(ledger.append([Record(name, 1, event)], [], {})[-1])
                    assert mirror.wait_until(ledger.last_cursor, PATIENCE)
        assert mirror.submit(numbers).result(PATIENCE) == [[0, 2, 4]] * len(names)
        assert mirror.recovery is None


def test_nothing_of_ours_is_changed_in_an_atomic_block() -> None:
    """In dbzero 0.7.0 dictionaries and sets that grow in such blocks lose items now and then."""
    sources = list(Path(statek.__file__).parent.rglob("*.py"))
    assert len(sources) > 50
    assert [source.name for source in sources if "db0.atomic(" in source.read_text()] == []


def test_jobs_are_found_by_status(store: StoreDirectory, ledger: Ledger) -> None:
    fill(ledger, 3)
    first, *_ = ticks("new")
    ledger.append(first.records, first.jobs, first.blobs)

    def by_status() -> dict[str, list[str]]:
        import dbzero as db0

        from statek.store.objects import Job

        return {status: sorted(job.job for job in db0.find(Job, status)) for status in ("READY", "DONE")}

    with mirror_of(store) as mirror:
        assert mirror.submit(by_status).result(PATIENCE) == {"READY": ["new"], "DONE": ["job-0", "job-1", "job-2"]}


def test_texts_that_dbzero_would_cut_or_refuse_read_back_whole(store: StoreDirectory, ledger: Ledger) -> None:
    first, *_ = ticks("a\0job")
    ledger.append(first.records, first.jobs, first.blobs)
    for data in (b"one \0 tw" + b"\xe2", b"\x82\xac \xff\nlast \xed\xb2\x80"):
        ledger.append([Record("a\0job", 1, events.ConsolePrinted(1, "output", data))], [], {})

    def console() -> list[str]:
        from statek.store.objects import find_job

        job = find_job("a\0job")
        assert job is not None
        assert find_job("a") is None
        return job.py_env.console

    with mirror_of(store) as mirror:
        lines = mirror.submit(console).result(PATIENCE)
    assert lines == ["one \0 tw\u20ac \\xff", "last \\xed\\xb2\\x80"]


def test_importing_the_mirror_does_not_import_dbzero() -> None:
    code = "import sys, statek.store.mirror, statek.store.ledger; sys.exit('dbzero' in sys.modules)"
    subprocess.run((sys.executable, "-P", "-c", code), check=True)


def test_functions_run_in_the_dbzero_thread_one_at_a_time_and_in_order(store: StoreDirectory, ledger: Ledger) -> None:
    ran: list[tuple[int, str]] = []
    with mirror_of(store) as mirror:
        futures = [
            mirror.submit(lambda number=number: ran.append((number, threading.current_thread().name)))
            for number in range(50)
        ]
        for future in futures:
            future.result(PATIENCE)
    assert ran == [(number, "statek-dbzero") for number in range(50)]


def test_what_a_function_raises_is_its_callers(store: StoreDirectory, ledger: Ledger) -> None:
    def leave() -> None:
        raise SystemExit("not the thread's business")

    with mirror_of(store) as mirror:
        with pytest.raises(SystemExit):
            mirror.submit(leave).result(PATIENCE)
        assert mirror.submit(lambda: "still there").result(PATIENCE) == "still there"


def test_a_function_that_is_cancelled_in_time_does_not_run(store: StoreDirectory, ledger: Ledger) -> None:
    gate, ran = threading.Event(), []
    with mirror_of(store) as mirror:
        first = mirror.submit(lambda: gate.wait(PATIENCE))
        second = mirror.submit(lambda: ran.append("second"))
        assert second.cancel()
        gate.set()
        assert first.result(PATIENCE)
        mirror.submit(lambda: None).result(PATIENCE)
    assert ran == []


def test_functions_run_in_the_middle_of_a_long_catch_up(store: StoreDirectory, ledger: Ledger) -> None:
    last = fill(ledger, 100)

    def cursor() -> int:
        from statek.store.objects import Root

        return int(Root().cursor)

    failures: list[BaseException] = []
    mirror = Mirror(store.dbzero, store.ledger, failures.append)
    seen = [mirror.submit(cursor)]
    mirror.start()
    while seen[-1].result(PATIENCE) < last:
        seen.append(mirror.submit(cursor))
    assert mirror.stop(PATIENCE)
    assert len({future.result() for future in seen}) > 5
    assert failures == []


def test_a_durable_change_of_application_objects_is_there_after_a_restart(store: StoreDirectory) -> None:
    code = f"""
import os, sys
from pathlib import Path
sys.path.insert(0, {str(store.path)!r})
from statek.store.ledger import Ledger
from statek.store.mirror import Mirror
def change():
    import dbzero as db0
    from shop import Order
    if sys.argv[1] == "write":
        db0.open("shop", "rw")
        Order().paid = 17
    else:
        db0.open("shop", "r")
        print(Order().paid, end="")
ledger = Ledger.open(Path({str(store.ledger)!r}))
mirror = Mirror(Path({str(store.dbzero)!r}), Path({str(store.ledger)!r}), print, commit_seconds=3600.0)
mirror.start()
mirror.submit(change, durable=True).result(60)
if sys.argv[1] == "write":
    os._exit(0)
mirror.stop(60)
"""
    (store.path / "shop.py").write_text(
        "import dbzero as db0\n"
        "@db0.memo(singleton=True, id='shop/Order', prefix='shop')\n"
        "class Order:\n"
        "    def __init__(self):\n"
        "        self.paid = 0\n"
    )
    for step in ("write", "read"):
        ended = subprocess.run((sys.executable, "-P", "-c", code, step), capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr
    assert ended.stdout == "17"


def test_after_the_end_nothing_is_run_and_whoever_waits_is_told(store: StoreDirectory, ledger: Ledger) -> None:
    with mirror_of(store) as mirror:
        pass
    with pytest.raises(MirrorStopped):
        mirror.submit(lambda: None)
    assert not mirror.wait_until(1, PATIENCE)


def test_a_mirror_that_was_never_started_stops(store: StoreDirectory, ledger: Ledger) -> None:
    assert Mirror(store.dbzero, store.ledger, print).stop(0.0)


def test_a_function_that_hangs_does_not_hang_the_stop(
    store: StoreDirectory, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("statek.store.mirror._ABANDON_SECONDS", 0.01)
    gate, running = threading.Event(), threading.Event()
    mirror = Mirror(store.dbzero, store.ledger, print)
    mirror.start()
    mirror.submit(lambda: (running.set(), gate.wait(PATIENCE)))
    assert running.wait(PATIENCE)
    assert not mirror.stop(0.01)
    gate.set()
    assert mirror.stop(PATIENCE)


def test_a_stop_that_may_take_no_time_leaves_the_rest_to_the_next_start(store: StoreDirectory, ledger: Ledger) -> None:
    fill(ledger, 300)
    mirror = Mirror(store.dbzero, store.ledger, print)
    mirror.start()
    assert mirror.ready.wait(PATIENCE)
    assert mirror.stop(0.0)
    assert not mirror.wait_until(ledger.last_cursor, 0.0)
    with mirror_of(store) as mirror:
        assert mirror.recovery is None
        assert objects(mirror) == expected(store)


def test_being_told_of_events_that_the_ledger_does_not_have_is_a_failure(store: StoreDirectory, ledger: Ledger) -> None:
    failures: list[BaseException] = []
    mirror = Mirror(store.dbzero, store.ledger, failures.append)
    mirror.start()
    assert mirror.ready.wait(PATIENCE)
    mirror.notify(1)
    assert not mirror.wait_until(1, PATIENCE)
    assert mirror.stop(PATIENCE)
    assert [type(failure) for failure in failures] == [BugInScheduler]
