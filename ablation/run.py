"""The command scripts/ablate: tries every escape with each layer alone and with each layer missing.

Exit status 0: every escape is real, and held whichever one layer is missing. 1: one is not; the last lines say which.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from ablation import document, field, matrix, trials, words
from ablation.configurations import of_guest_programs, of_native_code
from ablation.trials import Account, Results

DOCUMENT: Final = Path(__file__).parents[1] / "docs" / "ablation.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    options = _parser().parse_args(arguments)
    problems: list[str] = []
    sections = []
    with trials.accounts() as accounts:
        for account in accounts:
            if options.account in (None, account.name):
                section, said = _section(account)
                sections.append(section)
                problems += said
    section, said = _words()
    sections.append(section)
    problems += said
    text = "\n\n".join(sections)
    print(text)
    if options.write:
        DOCUMENT.write_text(document.written(DOCUMENT.read_text(), text))
    print("\n".join(problems) or "every escape is real, and held whichever one layer is missing", file=sys.stderr)
    return 1 if problems else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/ablate", description="Which layers hold which escape, tried for real."
    )
    parser.add_argument(
        "--account", choices=["root", "ordinary user"], help="only as this user (default: all we can be)"
    )
    parser.add_argument("--write", action="store_true", help="write docs/ablation.md")
    return parser


def _section(account: Account) -> tuple[str, list[str]]:
    """Both kinds of escapes under one account: their matrices, and what is not as it must be."""
    parts, problems = [], []
    for kind, configurations in (
        ("native", of_native_code(root=account.root)),
        ("guests", of_guest_programs()),
    ):
        results: Results = trials.run(account, kind, configurations, tell=_tell)
        found = matrix.findings(results, matrix.columns(kind))
        parts.append(
            document.section(account.name, kind, matrix.table(found, matrix.columns(kind), base=kind == "native"))
        )
        problems += [f"{account.name}: {said}" for said in matrix.problems(found)]
    return "\n\n".join(parts), problems


def _words() -> tuple[str, list[str]]:
    """The escapes by what is said, on real services of our own account."""
    found = matrix.findings(field.run(field.configurations(), tell=_tell), words.LAYERS)
    table = matrix.table(found, words.LAYERS, base=False)
    return document.section("", "words", table), matrix.problems(found)


def _tell(text: str) -> None:
    """People who wait see how far it is."""
    if sys.stderr.isatty():
        print(text, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
