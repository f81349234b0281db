"""How are amounts of money read and told exactly, as millionths, whatever decimal context a program has set? Pure.

The context of `decimal` is the program's: with a precision of three digits, or a trap for what is inexact, our prices
would be others, or none. So each sum here names its own.
"""

from __future__ import annotations

from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, Context, Decimal, DivisionByZero, InvalidOperation, Overflow
from typing import Final

MICROS: Final = 1_000_000
"""Millionths in a whole unit of the price table's currency."""
PLACES: Final = 6
_DIGITS: Final = 50
"""More than any amount within its bounds has that is told apart from its neighbours by millionths."""
EXACT: Final = Context(
    prec=_DIGITS,
    rounding=ROUND_CEILING,
    Emin=MIN_EMIN,
    Emax=MAX_EMAX,
    traps=[InvalidOperation, DivisionByZero, Overflow],
)


def amount_of(value: object) -> Decimal:
    """Read a number as it is written; raises `decimal.InvalidOperation` for what is none."""
    return EXACT.create_decimal(str(value))


def micros_of(amount: Decimal) -> Decimal:
    """Return the millionths of an amount in whole units, with whatever fraction of one is left."""
    return EXACT.multiply(amount, Decimal(MICROS))


def rounded_up(micros: Decimal) -> int:
    """Return the next whole millionth."""
    return int(micros.to_integral_value(context=EXACT))


def in_currency(cost_micros: int) -> Decimal:
    """Read millionths as whole units of the price table's currency."""
    return Decimal(cost_micros).scaleb(-PLACES, context=EXACT)
