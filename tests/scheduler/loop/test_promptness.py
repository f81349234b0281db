"""While a scheduler runs its loop gets the interpreter's lock soon, and the collector leaves what lasts alone."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from statek.loop.promptness import SWITCH_SECONDS, promptly


@pytest.fixture(autouse=True)
def nothing_frozen() -> Iterator[None]:
    gc.unfreeze()
    yield
    gc.unfreeze()


def test_threads_switch_soon_for_as_long_as_it_runs() -> None:
    before = sys.getswitchinterval()
    with promptly():
        assert sys.getswitchinterval() == pytest.approx(SWITCH_SECONDS)
    assert sys.getswitchinterval() == pytest.approx(before)


def test_what_is_there_is_spared_and_comes_back_at_the_end() -> None:
    with promptly() as spare:
        first = gc.get_freeze_count()
        assert first > 0
        lasting = [[number] for number in range(1_000)]
        spare()
        assert gc.get_freeze_count() >= first + len(lasting)
    assert gc.get_freeze_count() == 0


def test_what_an_application_has_frozen_stays_as_it_is() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    with promptly() as spare:
        lasting = [[number] for number in range(10_000)]
        spare()
        assert gc.get_freeze_count() < frozen + len(lasting)
    assert gc.get_freeze_count() > frozen / 2, "no more than what others do not need any more"


def test_it_is_taken_back_also_after_a_failure() -> None:
    before = sys.getswitchinterval()
    with pytest.raises(RuntimeError), promptly():
        raise RuntimeError
    assert sys.getswitchinterval() == pytest.approx(before)
    assert gc.get_freeze_count() == 0
