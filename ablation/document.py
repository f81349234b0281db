"""docs/ablation.md: what stands around the generated matrices, and which escapes have a row in them. Pure."""

from __future__ import annotations

from typing import Final

BEGIN: Final = "<!-- written by scripts/ablate --write from here on -->"
_TITLES: Final = {
    "native": "Native code behind the language, supervisor run by {account}",
    "guests": "Guest programs, supervisor run by {account}",
    "words": "What a hostile interpreter says to real services",
}


def section(account: str, kind: str, table: str) -> str:
    """One matrix under its heading."""
    owner = "root" if account == "root" else "an ordinary user"
    return f"## {_TITLES[kind].format(account=owner)}\n\n{table}"


def written(before: str, text: str) -> str:
    """The whole page: what people wrote, up to the mark, and what was found behind it; raises ValueError."""
    introduction, mark, _ = before.partition(BEGIN)
    if not mark:
        raise ValueError(f"docs/ablation.md has no line {BEGIN!r} behind which to write")
    return f"{introduction}{BEGIN}\n\n{text}\n"


def rows(page: str) -> dict[str, set[str]]:
    """The escapes that have a row, by the heading over them."""
    found: dict[str, set[str]] = {}
    heading = ""
    for line in page.partition(BEGIN)[2].splitlines():
        if line.startswith("## "):
            heading = line.removeprefix("## ")
            found[heading] = set()
        elif line.startswith("| ") and not line.startswith(("| escape", "| ---")):
            found[heading].add(line.split("|")[1].strip())
    return found
