"""Fixtures for tests of what runs in an interpreter process: a test that leaves a process behind fails."""

from __future__ import annotations

import sys
from pathlib import Path

from no_process_left import no_process_left  # noqa: F401 - a fixture

sys.path.insert(0, str(Path(__file__).parent / "support"))
