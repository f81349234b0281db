"""A function that takes too long is interrupted, and nothing else ever is."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import pytest

from statek.futures.budget import Budget, OutOfTime

PATIENCE = 20.0


def interrupt_when_running(budget: Budget, ended: threading.Event) -> None:
    """Interrupt every run as soon as it is seen."""
    while not ended.is_set():
        running = budget.running()
        if running is not None:
            budget.interrupt(running[0])


@pytest.fixture
def budget() -> Iterator[Budget]:
    """A budget whose every run is interrupted by another thread, at any point of it."""
    made, ended = Budget(), threading.Event()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    thread = threading.Thread(target=interrupt_when_running, args=(made, ended))
    thread.start()
    yield made
    ended.set()
    thread.join()
    sys.setswitchinterval(interval)


def spin() -> None:
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        pass


def test_an_endless_function_is_interrupted(budget: Budget) -> None:
    began = time.monotonic()
    with pytest.raises(OutOfTime):
        budget.run(spin)
    assert time.monotonic() - began < PATIENCE / 2
    assert budget.running() is None


def test_no_interruption_ever_leaves_the_run_that_it_was_meant_for(budget: Budget) -> None:
    outcomes = {True: 0, False: 0}
    end = time.monotonic() + 1.0
    while time.monotonic() < end:
        try:
            budget.run(lambda: sum(range(outcomes[True] % 200)))
            outcomes[True] += 1
        except OutOfTime:
            outcomes[False] += 1
        sum(number for number in range(50))  # here nothing may be raised
    assert min(outcomes.values()) > 0, outcomes


def test_one_that_swallows_the_interruption_is_interrupted_once_only(budget: Budget) -> None:
    caught = []

    def stubborn() -> str:
        try:
            spin()
        except BaseException as error:  # noqa: BLE001 - as an application may
            caught.append(type(error).__name__)
        return "went on"

    assert budget.run(stubborn) == "went on"
    assert len(caught) == 1


def test_values_and_errors_come_through() -> None:
    budget = Budget()
    assert budget.run(lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        budget.run(lambda: 1 // 0)
    assert budget.running() is None


def test_an_interruption_that_comes_too_late_changes_nothing() -> None:
    budget = Budget()
    assert budget.run(budget.running) is not None
    budget.interrupt(1)
    assert budget.run(lambda: 1) == 1
    budget.interrupt(1)
    assert {budget.run(lambda: 2) for _ in range(100)} == {2}


FOLLOWED = """
import sys, threading
from statek.futures.budget import Budget, OutOfTime

def spin():
    while True: pass

def work():
    return 7

budget = Budget()
threading.Timer(0.05, budget.interrupt, (1,)).start()
try:
    budget.run(spin)
except OutOfTime:
    sys.setprofile(lambda *_: None)
    print(work())
"""
"""In a process of its own: what goes wrong here does not even let a signal through."""


def test_after_an_interruption_calls_can_still_be_followed_by_a_debugger_or_profiler() -> None:
    command = [sys.executable, "-P", "-c", FOLLOWED]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "7\n"), done.stderr
