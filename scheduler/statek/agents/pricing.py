"""What a reply costs: a table of prices, and exact sums in millionths of its currency.

A price of one unit per million tokens is one millionth per token. Prices are kept as whole millionths per million
tokens, so nothing is rounded but each reply's cost, up, to a whole millionth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from statek.core.money import MICROS, amount_of, micros_of
from statek.errors import StatekError
from statek_policies.errors import KeyPath, UnreadablePolicy, shown, suggestion
from statek_policies.policy_files import Document, parse_document, read_document

_HIGHEST: Final = 1_000_000
"""Currency units per million tokens."""
_FIELDS: Final = ("models", "input", "cached_input", "output")
_CURRENCY_LETTERS: Final = 3


class PricesUnusable(StatekError):
    """A price table cannot be read, or does not mean anything; nothing of it is used."""

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(f"{place}: {reason}")
        self.place = place
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Price:
    """What some models cost, in millionths of the currency for a million tokens."""

    models: tuple[str, ...]
    """Glob patterns."""
    input: int
    cached_input: int
    output: int


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by model."""

    currency: str
    prices: tuple[Price, ...]

    def price_of(self, model: str) -> Price | None:
        """Return the first price whose patterns have the model."""
        return next((price for price in self.prices if any(fnmatchcase(model, glob) for glob in price.models)), None)

    def cost_micros(self, model: str, input_tokens: int, cached_tokens: int, output_tokens: int) -> int | None:
        """Return what a reply costs in millionths of the currency, or None for a model without a price.

        `cached_tokens` are those of the input tokens that the provider had cached.
        """
        price = self.price_of(model)
        if price is None:
            return None
        cached = min(cached_tokens, input_tokens)
        total = (input_tokens - cached) * price.input + cached * price.cached_input + output_tokens * price.output
        return -(-total // MICROS)


def load_prices(path: Path | None = None) -> PriceTable:
    """Read a price table, or the one that comes with STATEK; raises PricesUnusable with the line and the name."""
    try:
        document = read_document(path) if path is not None else _ours()
    except UnreadablePolicy as error:
        raise PricesUnusable(error.place, error.reason) from error
    return _Reader(document).table()


def _ours() -> Document:
    text = (files("statek.agents") / "prices.toml").read_text("utf-8")
    return parse_document(text, place="prices.toml", stem="prices", folder=None)


class _Reader:
    """Reads the fields of one document; every fault is raised with its line."""

    def __init__(self, document: Document) -> None:
        self._document = document

    def table(self) -> PriceTable:
        fields = self._document.fields
        self._check_names(fields, ("currency", "price"), ())
        entries = fields.get("price")
        if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
            raise self._fault(("price",), "at least one table [[price]] is needed")
        currency = fields.get("currency")
        if not isinstance(currency, str) or len(currency) != _CURRENCY_LETTERS or not currency.isupper():
            raise self._fault(("currency",), f'currency = {shown(currency)}: three letters are needed, like "USD"')
        return PriceTable(currency, tuple(self._price(entry, ("price", index)) for index, entry in enumerate(entries)))

    def _price(self, entry: Mapping[str, Any], at: KeyPath) -> Price:
        self._check_names(entry, _FIELDS, at)
        missing = [name for name in _FIELDS if name not in entry and name != "cached_input"]
        if missing:
            raise self._fault(at, f"the price has no {' and no '.join(missing)}")
        input_price = self._micros(entry, "input", at)
        cached = self._micros(entry, "cached_input", at) if "cached_input" in entry else input_price
        return Price(self._models(entry["models"], at), input_price, cached, self._micros(entry, "output", at))

    def _models(self, models: object, at: KeyPath) -> tuple[str, ...]:
        if not isinstance(models, list) or not models or not all(isinstance(glob, str) and glob for glob in models):
            raise self._fault((*at, "models"), f"models = {shown(models)}: a list of names or patterns is needed")
        return tuple(models)

    def _micros(self, entry: Mapping[str, Any], name: str, at: KeyPath) -> int:
        value = entry[name]
        price = _decimal(value)
        if price is None:
            wanted = f"a number from 0 to {_HIGHEST} is needed, for a million tokens"
            raise self._fault((*at, name), f"{name} = {shown(value)}: {wanted}")
        micros = micros_of(price)
        if micros != int(micros):
            raise self._fault((*at, name), f"{name} = {shown(value)}: more than six decimal places")
        return int(micros)

    def _check_names(self, fields: Mapping[str, Any], valid: tuple[str, ...], at: KeyPath) -> None:
        for name in fields:
            if name not in valid:
                raise self._fault((*at, name), f"unknown field {shown(name)}; {suggestion(name, valid)}")

    def _fault(self, key: KeyPath, reason: str) -> PricesUnusable:
        return PricesUnusable(self._document.where(key), reason)


def _decimal(value: object) -> Decimal | None:
    """Read a price as it is written; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        price = amount_of(value)
        return price if 0 <= price <= _HIGHEST else None
    except InvalidOperation:  # no number, or one that nothing can be compared with
        return None
