"""Every test that the documents name is there, and every promise names one."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = ROOT / "tests"
CODE = ROOT / "scheduler" / "statek"
DOCUMENTS = [ROOT / "docs" / "promises.md", ROOT / "docs" / "operations.md"]
NAMED = re.compile(r"`((?:[\w]+/)*test_\w+\.py)(?:::(test_\w+))?`")
CODE_NAMED = re.compile(r"`((?:\w+/)*\w+\.py|\w+/)`")


def rows(document: Path) -> Iterator[list[str]]:
    """The cells of each row of a document's tables, headings left out."""
    for line in document.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if line.startswith("| ") and not cells[0].startswith("the guide says"):
            yield cells


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_test_that_a_document_names_is_there(document: Path) -> None:
    named = NAMED.findall(document.read_text("utf-8"))
    missing = [f"{file}::{name}" for file, name in named if not is_there(TESTS / file, name)]
    assert named
    assert missing == []


def is_there(file: Path, name: str) -> bool:
    if not file.is_file():
        return False
    defined = ast.walk(ast.parse(file.read_text("utf-8")))
    return not name or any(
        isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name == name for node in defined
    )


def test_every_promise_names_what_keeps_it_and_a_test() -> None:
    promises = list(rows(DOCUMENTS[0]))
    assert len(promises) > 40
    assert [cells[0] for cells in promises if len(cells) != 3 or not NAMED.search(cells[2])] == []
    places = [place for cells in promises for place in CODE_NAMED.findall(cells[1])]
    assert [place for place in places if not any((top / place).exists() for top in (CODE, ROOT))] == []
