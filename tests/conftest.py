"""What holds for all tests, in whichever worker of pytest-xdist they run."""

from __future__ import annotations

import decimal
import gc
from collections.abc import Iterator

import pytest
from hypothesis import settings

settings.register_profile("shared machine", deadline=None)
settings.load_profile("shared machine")
"""Two workers and the processes of their tests share the cores: how long an example takes says nothing about the code.
Where a time is the question, it is processor time that is measured."""


def pytest_collection_finish() -> None:
    """Leave thousands of collected tests out of every later look for garbage: tests make a great deal of it."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def own_decimal_context() -> Iterator[None]:
    """Give each test the ordinary rules of decimal numbers: guests that run in this process may change theirs."""
    with decimal.localcontext(decimal.Context()):
        yield
