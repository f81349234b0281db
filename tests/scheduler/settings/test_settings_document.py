"""The page about settings says what the code checks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from statek.settings import load_settings

TREE = Path(__file__).parents[3]


def test_the_documents_tables_are_those_of_the_settings() -> None:
    program = TREE / "docs" / "settings_tables.py"
    done = subprocess.run(
        [sys.executable, str(program), "--check"], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, f"docs/settings.md is not current: run scripts/settings-tables\n{done.stderr}"


def test_the_documents_example_is_a_settings_file(tmp_path: Path) -> None:
    example = (TREE / "docs" / "settings.md").read_text().partition("```toml\n")[2].partition("```")[0]
    file = tmp_path / "statek.toml"
    file.write_text(example)
    settings = load_settings(file, environment={})
    assert settings.app == tmp_path / "app.py"
    assert settings.max_exceptions is None
