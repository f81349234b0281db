"""Measurements against a number, as a picture: one panel for each measure, in SVG written by hand."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Final, TypeAlias

from bench.rows import Row, shown

Series: TypeAlias = Mapping[str, Sequence[Row]]

_WIDTH: Final = 300
_HEIGHT: Final = 150
_MARGIN: Final = (60, 34, 16, 30)
"""Left, top, right and bottom of a panel, in pixels, beside the picture in it."""
_COLUMNS: Final = 2
_HEADROOM: Final = 1.25
_HEAD: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">'
    '<rect width="100%" height="100%" fill="white"/>'
)


def svg(rows: Iterable[Row], axis: str) -> str:
    """Draw the rows that belong to a number, a panel for each of their measures; the number's axis is logarithmic."""
    series: dict[str, list[Row]] = {}
    for row in rows:
        if row.at is not None:
            series.setdefault(row.measure, []).append(row)
    across, down = _MARGIN[0] + _WIDTH + _MARGIN[2], _MARGIN[1] + _HEIGHT + _MARGIN[3]
    lines = [_HEAD.format(width=across * _COLUMNS, height=down * math.ceil(len(series) / _COLUMNS))]
    for place, (measure, found) in enumerate(series.items()):
        x, y = place % _COLUMNS * across + _MARGIN[0], place // _COLUMNS * down + _MARGIN[1]
        lines += [f'<g transform="translate({x} {y})">', *_panel(measure, found, axis), "</g>"]
    return "\n".join([*lines, "</svg>\n"])


def _panel(measure: str, rows: Sequence[Row], axis: str) -> Iterator[str]:
    """Draw one measure; its axis begins at nothing, and its target is a dashed line."""
    target = rows[0].target
    bound = None if target is None else target.most if target.most is not None else target.least
    top = _HEADROOM * max([*(row.ours for row in rows), bound or 0.0, 1e-12])
    low, high = math.log10(min(row.at or 1 for row in rows)), math.log10(max(row.at or 1 for row in rows))
    points = [(_x(row.at or 1, low, high), _HEIGHT * (1 - row.ours / top), row) for row in rows]
    yield f'<text x="{_WIDTH / 2}" y="-14" text-anchor="middle" font-weight="bold">{escape(measure)}</text>'
    yield f'<path d="M0 0V{_HEIGHT}H{_WIDTH}" fill="none" stroke="black"/>'
    if bound is not None:
        height = _HEIGHT * (1 - bound / top)
        words = f"target {target}".replace(f"{bound:g}", shown(bound, rows[0].unit))
        yield f'<path d="M0 {height:.1f}H{_WIDTH}" stroke="#b00" stroke-dasharray="4 3"/>'
        yield f'<text x="4" y="{height - 3:.1f}" fill="#b00">{escape(words)}</text>'
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in points)
    yield f'<polyline points="{line}" fill="none" stroke="#06c" stroke-width="2"/>'
    for x, y, row in points:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="#06c"/>'
        yield f'<text x="{x:.1f}" y="{y - 7:.1f}" text-anchor="middle">{escape(shown(row.ours, row.unit))}</text>'
        yield f'<text x="{x:.1f}" y="{_HEIGHT + 13}" text-anchor="middle">{row.at:,}</text>'
    yield f'<text x="{_WIDTH / 2}" y="{_HEIGHT + 26}" text-anchor="middle" fill="#555">{escape(axis)}</text>'


def _x(at: int, low: float, high: float) -> float:
    share = 0.5 if high == low else (math.log10(at) - low) / (high - low)
    return _WIDTH * (0.1 + 0.8 * share)
