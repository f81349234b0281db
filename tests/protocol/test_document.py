"""The authoritative description of the protocol says what the code checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

TREE = Path(__file__).parents[2]


def test_the_documents_tables_are_those_of_the_message_classes() -> None:
    program = TREE / "docs" / "protocol_tables.py"
    done = subprocess.run(
        [sys.executable, str(program), "--check"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"docs/protocol.md is not current: run scripts/protocol-tables\n{done.stderr}"
