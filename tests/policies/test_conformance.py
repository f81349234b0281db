"""A sample of CPython's own tests ends under the language as it ends everywhere, unless a rule refuses it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent / "conformance"
INSTALLED = importlib.util.find_spec("test") is not None and importlib.util.find_spec("test.test_grammar") is not None

SAMPLE = {
    "test_grammar": (6, 7),
    "test_patma": (30, 6),
    "test_scope": (5, 3),
    "test_set": (100, 4),
    "test_statistics": (60, 3),
    "test_heapq": (8, 4),
}
"""By file: one test in so many, and how many of those must pass, so that the sample is not empty."""


@pytest.mark.skipif(not INSTALLED, reason="this Python was installed without its own test files")
@pytest.mark.parametrize("file", SAMPLE)
def test_a_test_of_cpython_ends_the_same_or_is_refused_by_a_rule(file: str) -> None:
    sys.path.insert(0, str(FOLDER))
    try:
        from classify import DIFFERS, SAME, verdicts_of
    finally:
        sys.path.remove(str(FOLDER))
    every, expected = SAMPLE[file]
    verdicts = verdicts_of(file, every=every)
    assert not [verdict for verdict in verdicts if verdict.kind == DIFFERS]
    assert sum(verdict.kind == SAME for verdict in verdicts) >= expected
