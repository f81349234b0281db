"""Makes the shared runner importable."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from guest_program import host  # noqa: F401
