"""What can be set, and to what? Written into settings.md from the class that checks the settings.

`scripts/settings-tables` rewrites the part of the document between its two markers; with `--check` it only says whether
the document is current.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from remarks import remarks

from statek.settings import Settings
from statek.settings.fields import ModelSettings, ProviderSettings
from statek.settings.former import INSTEAD
from statek.settings.kinds import in_words, plain
from statek.settings.sources import PREFIX, USUAL

DOCUMENT: Final = Path(__file__).with_name("settings.md")
BEGIN: Final = "<!-- begin: written by scripts/settings-tables -->"
END: Final = "<!-- end: written by scripts/settings-tables -->"
HERE: Final = {
    "store": "`$XDG_STATE_HOME/statek/store` (`~/.local/state/...`)",
    "keys": "`$XDG_CONFIG_HOME/statek/keys` (`~/.config/...`)",
}
"""Defaults that depend on who asks."""


def main(arguments: list[str]) -> int:
    """Write the tables, or compare them; returns the exit status."""
    text = DOCUMENT.read_text("utf-8")
    before, rest = text.split(BEGIN)
    after = rest.split(END)[1]
    current = "\n".join((f"{before}{BEGIN}", "", *tables(), f"{END}{after}"))
    if "--check" in arguments:
        return int(current != text)
    DOCUMENT.write_text(current, "utf-8")
    return 0


def tables() -> Iterator[str]:
    """Return the lines of every table."""
    for group in Settings.GROUPS:
        yield from _group(group)
        if group is ModelSettings:
            yield from _group(ProviderSettings)
    yield from ("## Names of the in-process STATEK", "", "They are refused, with a word on what takes their place.", "")
    yield from ("| variable | instead |", "|---|---|")
    for name, instead in INSTEAD.items():
        yield f"| `{PREFIX}{name.upper()}` | {instead} |"
    yield ""


def _group(group: type[BaseModel]) -> Iterator[str]:
    heading, *paragraphs = (group.__doc__ or "").split("\n\n")
    yield from (f"## {heading.strip()}", "")
    for paragraph in paragraphs:
        yield from (" ".join(paragraph.split()), "")
    yield from ("| setting | takes | default | |", "|---|---|---|---|")
    says = remarks(group)
    for name, field in group.model_fields.items():
        takes, default = in_words(field.rebuild_annotation()), _default(name, field)
        yield f"| `{name}` | {takes} | {default} | {says[name]}{_also(name)} |"
    yield ""


def _default(name: str, field: FieldInfo) -> str:
    if name in HERE:
        return HERE[name]
    value: Any = field.get_default()
    return "" if value == "" or field.is_required() else plain(value)


def _also(name: str) -> str:
    return "".join(f" Also as `{variable}`." for variable, setting in USUAL.items() if setting == name)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
