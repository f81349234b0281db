"""What holds for all tests, in whichever worker of pytest-xdist they run."""

from __future__ import annotations

import decimal
import gc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
"""Two workers and the processes of their tests share the cores: how long an example takes says nothing about the code.
Where a time is the question, it is processor time that is measured."""


LONGEST = ("integration", "escapes/process", "scheduler/store", "scheduler/core")
"""Folders whose files take longest: they come first, so that no worker is left alone with one of them at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> int:
    folder = item.path.relative_to(Path(__file__).parent).as_posix()
    return next((turn for turn, longest in enumerate(LONGEST) if folder.startswith(longest)), len(LONGEST))


def pytest_collection_finish() -> None:
    """Leave thousands of collected tests out of every later look for garbage: tests make a great deal of it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_decimal_context() -> Iterator[None]:
    """Give each test the ordinary rules of decimal numbers: guests that run in this process may change theirs."""
    with decimal.localcontext(decimal.Context()):
        yield
