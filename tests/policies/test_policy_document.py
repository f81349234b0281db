"""docs/policies.md names every field, limit, feature, profile and consequence, with the values that the code has."""

from __future__ import annotations

from itertools import dropwhile, takewhile
from pathlib import Path

from statek_policies import LAYERS, Limits, Policy
from statek_policies.explanations import limits
from statek_policies.features import FEATURES
from statek_policies.policy import FIELDS
from statek_policies.rules import ON_VIOLATION

PAGE = (Path(__file__).parents[2] / "docs" / "policies.md").read_text("utf-8")
KIB = 1024


def amount(value: float) -> str:
    """Write a number as the page does: bytes in binary units, thousands apart."""
    for unit, size in (("GiB", KIB**3), ("MiB", KIB**2), ("KiB", KIB)):
        if isinstance(value, int) and value >= size and value % size == 0:
            return f"{value // size} {unit}"
    return f"{value:_}".replace("_", " ").removesuffix(".0")


def rows_of(heading: str) -> list[list[str]]:
    """The cells of the first table under a heading."""
    lines = PAGE.split(f"\n{heading}\n", 1)[1].splitlines()
    from_table = dropwhile(lambda line: not line.startswith("|"), lines)
    lines = list(takewhile(lambda line: line.startswith("|"), from_table))
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def test_the_table_of_fields_is_that_of_the_code() -> None:
    rows = rows_of("## Fields")
    assert [row[0] for row in rows] == [f"`{name}`" for name in (*FIELDS, "extends", "description")]
    wire = Policy().to_wire()
    for name, default, _ in rows:
        value = wire.get(name.strip("`"))
        if isinstance(value, list) and value == ["*"]:
            assert default == '`["*"]`'
        elif isinstance(value, str) and name != "`name`":
            assert default == f"`{value}`"


def test_the_table_of_limits_is_that_of_the_code() -> None:
    expected = [
        [f"`{limit.name}`", amount(getattr(Limits(), limit.name)), limit.bounds, limit.guest_sees]
        for limit in limits().values()
    ]
    written = "\n".join("| " + " | ".join(row) + " |" for row in expected)
    assert rows_of("## Limits") == expected, f"the table should be:\n{written}"


def test_the_table_of_features_is_that_of_the_code() -> None:
    assert [row[0] for row in rows_of("### What can be left out of the language")] == [f"`{name}`" for name in FEATURES]


def test_the_table_of_consequences_is_that_of_the_code() -> None:
    assert [row[:2] for row in rows_of("## Violations")] == [[f"`{name}`", text] for name, text in ON_VIOLATION.items()]


def test_every_profile_and_layer_is_named() -> None:
    assert {row[0].strip("`") for row in rows_of("## Profiles")} == set(Policy.profiles())
    assert all(f"`{layer}`" in PAGE for layer in LAYERS)
