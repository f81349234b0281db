"""What the facades hand out is what was looked at, name by name: a new export needs a row in docs/language.md."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from guest_program import RecordingHost

from statek_policies import Policy
from statek_policies.language import build_environment

DOCS = Path(__file__).parents[3] / "docs"
HEAD = "| module | names | what they reach | covered by |"


def _audited() -> dict[str, set[str]]:
    """Read the table of the audit."""
    table = (DOCS / "language.md").read_text("utf-8").partition(HEAD)[2].partition("\n\n")[0]
    found: dict[str, set[str]] = {}
    for row in table.splitlines()[2:]:
        _, module, names, what, cover, _ = row.split(" | " if row.count(" | ") > 5 else "|")
        assert what.strip(), row
        assert cover.strip(), row
        found.setdefault(module.strip(" `"), set()).update(re.findall(r"`([^`]+)`", names))
    return found


def _exported() -> dict[str, set[str]]:
    environment = build_environment(Policy(), RecordingHost())
    modules = Policy().modules() - {"__future__"}
    return {module: set(object.__getattribute__(environment.resolve(module), "__dict__")) for module in modules}


def test_every_name_that_is_handed_out_was_looked_at() -> None:
    audited, exported = _audited(), _exported()
    for module in sorted(set(audited) | set(exported)):
        looked_at, handed_out = audited.get(module, set()), exported.get(module, set())
        if module != "urllib" or handed_out:
            assert looked_at == handed_out, f"{module}: {sorted(looked_at ^ handed_out)}"


def test_the_documents_tables_are_those_that_the_language_uses() -> None:
    done = subprocess.run(
        [sys.executable, "-P", str(DOCS / "language_tables.py"), "--check"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, f"docs/language.md is not current: run scripts/language-tables\n{done.stderr}"
