"""What a reply costs: exactly, by a table that can be replaced, and not at all for a model that it does not have."""

from __future__ import annotations

from decimal import ROUND_DOWN, Context, Inexact, InvalidOperation, Rounded, localcontext
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.agents.definitions import harness_of
from statek.agents.pricing import PricesUnusable, load_prices
from statek.core.money import amount_of, in_currency, micros_of, rounded_up

TABLE = """\
currency = "EUR"

[[price]]
models = ["small-1", "small-*"]
input = 0.15
cached_input = 0.075
output = "0.60"

[[price]]
models = ["*"]
input = 1
output = 2
"""


def table(tmp_path: Path, text: str = TABLE) -> Path:
    path = tmp_path / "prices.toml"
    path.write_text(text)
    return path


def test_a_cost_is_the_sum_of_its_parts_in_millionths(tmp_path: Path) -> None:
    prices = load_prices(table(tmp_path))
    assert prices.currency == "EUR"
    assert prices.cost_micros("small-2", 1_000_000, 400_000, 100_000) == 600_000 * 0.15 + 400_000 * 0.075 + 60_000


def test_the_first_entry_that_matches_counts_and_cached_input_costs_as_much_as_other_unless_it_is_named(
    tmp_path: Path,
) -> None:
    prices = load_prices(table(tmp_path))
    assert prices.cost_micros("large", 10, 5, 1) == 12


counts = st.integers(0, 2**53)


@given(counts, counts, counts)
def test_nothing_is_rounded_but_the_sum_up(given_tokens: int, cached: int, made: int) -> None:
    cost = load_prices().cost_micros("gpt-5-mini", given_tokens, cached, made)
    cached = min(cached, given_tokens)
    exact = (given_tokens - cached) * Fraction(1, 4) + cached * Fraction(1, 40) + made * 2
    assert cost is not None
    assert exact <= cost < exact + 1


def test_prices_bounds_and_costs_are_exact_whatever_decimal_context_the_program_has_set(tmp_path: Path) -> None:
    text = TABLE.replace("0.15", "1234.567891")
    with localcontext(Context(prec=2, rounding=ROUND_DOWN, traps=[Inexact, Rounded, InvalidOperation])):
        assert load_prices(table(tmp_path, text)).cost_micros("small-1", 1_000_000, 0, 0) == 1_234_567_891
        assert harness_of({"max_cost": "12345.678901"}) == ({"max_cost_micros": 12_345_678_901}, ())
        assert str(in_currency(1_234_567_891)) == "1234.567891"
        assert rounded_up(micros_of(amount_of(0.1234567))) == 123_457
    with localcontext(Context(traps=[])):
        assert harness_of({"max_cost": "nan"})[1] == ("max_cost: 'nan' is no amount of money",)


def test_a_model_without_a_price_has_no_cost() -> None:
    assert load_prices().cost_micros("a-model-of-my-own", 1, 0, 1) is None


def test_our_table_has_a_price_for_each_model_and_none_for_those_that_are_only_called_alike() -> None:
    prices = load_prices()
    assert prices.currency == "USD"
    assert prices.price_of("gpt-4o-mini-2024-07-18") != prices.price_of("gpt-4o")
    assert prices.price_of("gpt-4o-audio-preview") is None
    assert prices.price_of("gpt-5-pro") is None


@pytest.mark.parametrize(
    ("old", "new", "line", "complaint"),
    [
        ('currency = "EUR"', "", None, "three letters are needed"),
        ('"EUR"', '"euro"', 1, "three letters are needed"),
        ('"EUR"', "5", 1, "three letters are needed"),
        ("output = 2", "outptu = 2", 12, "unknown field 'outptu'; did you mean 'output'?"),
        ("output = 2", "", 9, "has no output"),
        ("input = 1\n", "input = -1\n", 11, "input = -1: a number from 0 to"),
        ("input = 1\n", "input = nan\n", 11, "input = nan: a number"),
        ("input = 1\n", "input = true\n", 11, "input = True: a number"),
        ("input = 1\n", 'input = "cheap"\n', 11, "input = 'cheap': a number"),
        ("input = 1\n", "input = 0.0000001\n", 11, "more than six decimal places"),
        ("input = 1\n", 'input = "1e-99999999"\n', 11, "more than six decimal places"),
        ('["*"]', "[]", 10, "a list of names or patterns is needed"),
        ('["*"]', '"*"', 10, "a list of names or patterns is needed"),
        ("[[price]]", "[[prices]]", 3, "unknown field 'prices'"),
        ("currency =", "currency = =", None, "Invalid value"),
    ],
)
def test_a_table_that_cannot_be_meant_is_refused_with_its_line(
    tmp_path: Path, old: str, new: str, line: int | None, complaint: str
) -> None:
    path = table(tmp_path, TABLE.replace(old, new))
    with pytest.raises(PricesUnusable) as refused:
        load_prices(path)
    assert complaint in str(refused.value)
    assert str(refused.value).startswith(f"{path}:{line}:" if line is not None else str(path))


def test_a_table_without_prices_and_a_file_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(PricesUnusable, match=r"at least one table \[\[price\]\]"):
        load_prices(table(tmp_path, 'currency = "EUR"\n'))
    with pytest.raises(PricesUnusable, match="is a directory"):
        load_prices(tmp_path)
    with pytest.raises(PricesUnusable, match="No such file"):
        load_prices(tmp_path / "missing.toml")
