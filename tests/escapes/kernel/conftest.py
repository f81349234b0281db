"""Fixtures for tests of the wall."""

from __future__ import annotations

import sys
from pathlib import Path

TESTS = Path(__file__).parents[2]
sys.path[:0] = [str(TESTS), str(TESTS / "executor" / "isolation" / "support")]

from fixtures import _no_process_is_left, account, guest, ordinary_account  # noqa: E402, F401

sys.path.insert(0, str(Path(__file__).parent))
