"""What does the guests' language refuse, and what is there instead? Written into language.md from the tables in use.

`scripts/language-tables` rewrites the part of the document between its two markers; with `--check` it only says whether
the document is current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from statek_policies import Policy
from statek_policies.language.environment import exports_under
from statek_policies.language.facades.tables import WITHHELD
from statek_policies.language.refusals import MODULES, REFUSED_BUILTINS, STATEMENTS
from statek_policies.language.words import DEFINABLE, WHY_ATTRIBUTE

DOCUMENT: Final = Path(__file__).with_name("language.md")
BEGIN: Final = "<!-- begin: written by scripts/language-tables -->"
END: Final = "<!-- end: written by scripts/language-tables -->"


def main(arguments: list[str]) -> int:
    """Write the tables, or compare them."""
    text = DOCUMENT.read_text("utf-8")
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    current = _joined(before, after)
    if current == text:
        return 0
    if "--check" in arguments:
        sys.stderr.write("docs/language.md is not current\n")
        return 1
    DOCUMENT.write_text(current, "utf-8")
    return 0


def _joined(before: str, after: str) -> str:
    return before + BEGIN + "\n\n" + "\n".join(tables()) + "\n" + END + after


def tables() -> Iterator[str]:
    """Return the lines of every table."""
    yield from _table("Modules", ("module", "what it offers"), _modules())
    yield from _table("Names that a module has and does not offer", ("name", "instead"), sorted(WITHHELD.items()))
    yield from _table("Modules that are not offered", ("module", "why, or what to use"), _absent())
    yield from _table(
        "Built-in functions that say why they are not there", ("name", ""), sorted(REFUSED_BUILTINS.items())
    )
    yield from _table("Syntax", ("construct", "rule", ""), _syntax())
    yield from _table(
        "Attributes that are refused with a hint", ("attribute", "instead"), sorted(WHY_ATTRIBUTE.items())
    )
    yield "### Special methods that a class may define"
    yield ""
    yield " ".join(f"`{name}`" for name in sorted(DEFINABLE))
    yield ""


def _table(title: str, head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    yield f"### {title}"
    yield ""
    yield f"| {' | '.join(head)} |"
    yield "|" + "---|" * len(head)
    for name, *cells in rows:
        yield f"| `{name}` | {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _modules() -> Iterator[tuple[str, str]]:
    for module, names in sorted(exports_under(Policy()).items()):
        yield module, " ".join(sorted(names))


def _absent() -> Iterator[tuple[str, str]]:
    by_reason: dict[str, list[str]] = {}
    for module, reason in MODULES.items():
        by_reason.setdefault(reason, []).append(module)
    for reason, modules in sorted(by_reason.items(), key=lambda item: item[1]):
        yield "`, `".join(modules), reason


def _syntax() -> Iterator[tuple[str, str, str]]:
    for node, (rule, detail) in STATEMENTS.items():
        yield node, f"`{rule}`", detail


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
