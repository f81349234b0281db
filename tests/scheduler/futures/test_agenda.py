"""What is looked at when: the cost of a pass grows with what is due, and not with what waits."""

from __future__ import annotations

import time
from itertools import islice, pairwise

import pytest

from statek.core.awaiting import FutureEntry
from statek.futures import pacing
from statek.futures.agenda import OVERDUE_SECONDS, Agenda
from statek.futures.registry import Terms
from statek_policies import Limits

TERMS = Terms(Limits())
TEMPORAL = FutureEntry(0, "temporal")


def watching(*jobs: str, entry: FutureEntry = TEMPORAL) -> Agenda:
    agenda = Agenda()
    for job in jobs:
        agenda.set_job(job, (entry,), TERMS, 0.0, 0, 0)
    return agenda


def test_a_future_is_looked_at_at_once_and_then_less_and_less_often() -> None:
    agenda = watching("job")
    times = []
    now: float | None = 0.0
    while now is not None and now < 60:
        assert list(agenda.due(now)) == [("job", 0)]
        times.append(now)
        agenda.again(("job", 0), now, failed=False, before={})
        now = agenda.wake_at(0.0)
    gaps = [later - earlier for earlier, later in pairwise(times)]
    assert gaps[0] == pytest.approx(pacing.FIRST_SECONDS)
    assert all(later > earlier - 1e-6 for earlier, later in pairwise(gaps))
    assert gaps[-1] == pytest.approx(pacing.LONGEST_SECONDS)


def test_failures_double_the_interval_and_success_forgets_them() -> None:
    agenda = watching("job")
    now, gaps = 0.0, []
    for _ in range(4):
        assert list(agenda.due(now)) == [("job", 0)]
        agenda.again(("job", 0), now, failed=True, before={})
        wake = agenda.wake_at(0.0)
        assert wake is not None
        gaps.append(wake - now)
        now = wake
    assert gaps == [1.0, 2.0, 4.0, 8.0]
    watch = agenda.get(("job", 0))
    assert watch is not None
    agenda.again(("job", 0), now, failed=False, before={})
    assert watch.failures == 0


def test_what_rests_on_a_prefix_is_looked_at_when_that_changes_and_not_before() -> None:
    agenda = watching("one", "two")
    for job in list(agenda.due(0.0)):
        agenda.again(job, 0.0, failed=False, before={"calendar" if job[0] == "one" else "mail": 5})
    assert list(agenda.due(pacing.RESTING_SECONDS / 2)) == []
    agenda.stand({"calendar": 5, "mail": 5})
    assert list(agenda.due(1.0)) == []
    agenda.stand({"calendar": 6, "mail": 5})
    assert list(agenda.due(1.0)) == [("one", 0)]
    agenda.stir(agenda.prefixes)
    assert list(agenda.due(1.0)) == [("two", 0)]


def test_a_change_between_a_look_and_its_report_is_not_missed() -> None:
    agenda = watching("early", "late")
    keys = list(agenda.due(0.0))
    agenda.again(keys[0], 0.0, failed=False, before={"calendar": 5})
    agenda.again(keys[1], 0.0, failed=False, before={"calendar": 6})
    assert list(agenda.due(0.0)) == [keys[0]]
    agenda.stand({"calendar": 7})
    assert keys[1] in set(agenda.due(0.0))


def test_what_rests_is_looked_at_after_a_while_all_the_same() -> None:
    agenda = watching("job")
    agenda.again(next(agenda.due(0.0)), 0.0, failed=False, before={"calendar": 5})
    assert agenda.wake_at(0.0) == pacing.RESTING_SECONDS


def test_a_job_that_does_not_wait_any_more_is_not_looked_at() -> None:
    agenda = watching("job")
    agenda.set_job("job", (), TERMS, 0.0, 0, 0)
    assert list(agenda.due(1.0)) == []
    assert len(agenda) == 0


def test_a_promise_is_over_at_its_deadline() -> None:
    agenda = watching("job", entry=FutureEntry(0, "promise", deadline_us=2_000_000))
    assert agenda.wake_at(0.0) == 2.0
    assert agenda.expired(1.9) == []
    assert agenda.expired(2.0) == [("job", 0)]
    assert agenda.expired(3.0) == []


def test_a_condition_has_a_last_look_at_its_deadline_and_is_over_when_that_does_not_come() -> None:
    agenda = watching("job", entry=FutureEntry(0, "temporal", deadline_us=2_000_000))
    agenda.again(next(agenda.due(0.0)), 0.0, failed=True, before={})
    assert agenda.expired(2.0) == []
    assert list(agenda.due(2.0)) == [("job", 0)]
    watch = agenda.get(("job", 0))
    assert watch is not None
    assert watch.last
    assert agenda.expired(2.0 + OVERDUE_SECONDS) == [("job", 0)]


def test_a_slow_condition_is_looked_at_less_often_itself() -> None:
    agenda = watching("job")
    agenda.again(next(agenda.due(0.0)), 0.0, failed=False, before={}, taken=0.5)
    wake = agenda.wake_at(0.0)
    assert wake is not None
    assert wake >= 0.5 / pacing.SHARE


def test_many_that_have_waited_long_share_the_time_and_a_new_one_is_looked_at_soon() -> None:
    agenda = watching(*(f"job {number}" for number in range(10_000)))
    for key in list(agenda.due(0.0)):
        agenda.again(key, 100.0, failed=False, before={}, taken=0.001)
    agenda.set_job("new", (TEMPORAL,), TERMS, 100.0, 0, 0)
    assert next(agenda.due(100.0)) == ("new", 0)
    agenda.again(("new", 0), 100.0, failed=False, before={}, taken=0.0001)
    wake = agenda.wake_at(0.0)
    assert wake is not None
    assert wake < 100.0 + 2 * pacing.FIRST_SECONDS


def test_a_pass_costs_what_is_due_and_not_what_waits() -> None:
    """A hundred times as many that rest do not make a pass over ten that are due ten times as long."""

    def cost(waiting: int) -> float:
        agenda = watching(*(f"job {number}" for number in range(waiting)))
        for key in list(agenda.due(0.0)):
            agenda.again(key, 0.0, failed=False, before={"calendar": 1})
        best = float("inf")
        for number in range(20):
            began = time.perf_counter()
            agenda.set_job(f"new {number}", (TEMPORAL,), TERMS, 1.0, 0, 0)
            agenda.again(next(agenda.due(1.0)), 1.0, failed=False, before={"mail": 1})
            agenda.stir(("calendar",) if number == 0 else ())
            list(islice(agenda.due(1.0), 10))
            agenda.wake_at(0.0)
            best = min(best, time.perf_counter() - began)
        return best

    assert cost(30_000) < 10 * cost(300)


def test_old_waits_that_are_taken_up_at_a_start_do_not_keep_a_new_one_from_being_looked_at() -> None:
    agenda = Agenda()
    for number in range(10_000):
        agenda.set_job(f"old {number}", (TEMPORAL,), TERMS, 0.0, 10**9, 0)
    agenda.set_job("new", (TEMPORAL,), TERMS, 0.0, 10**9, 10**9)
    due = list(agenda.due(0.0))
    assert ("new", 0) in due
    assert len(due) < 10
    assert len(list(agenda.due(3600.0))) == 10_001 - len(due)
