"""Text that somebody else chose moves no terminal, hides nothing, and cannot pass for other text."""

from __future__ import annotations

import io
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.audit.escaping import quoted, shortened, shown
from statek.logs.formats import HumanFormat
from statek.logs.redaction import Redaction

HOSTILE = {
    "colour": ("\x1b[31mred", "\\x1b[31mred"),
    "window title": ("\x1b]0;title\x07", "\\x1b]0;title\\x07"),
    "one-byte control sequence": ("\x9b31m", "\\x9b31m"),
    "carriage return": ("safe\rEVIL", "safe\\rEVIL"),
    "line separator": ("a\u2028b", "a\\u2028b"),
    "next line": ("a\x85b", "a\\x85b"),
    "bidi override": ("\u202eevil", "\\u202eevil"),
    "bidi isolate": ("\u2066evil\u2069", "\\u2066evil\\u2069"),
    "zero width": ("ad\u200bmin", "ad\\u200bmin"),
    "byte order mark": ("\ufeffa", "\\ufeffa"),
    "tag characters": ("a\U000e0041", "a\\U000e0041"),
    "variation selector": ("a\ufe0f\U000e0100", "a\\ufe0f\\U000e0100"),
    "letter that draws nothing": ("a\u3164b", "a\\u3164b"),
    "wide space": ("a\u3000b", "a\\u3000b"),
    "lone surrogate": ("a\ud800", "a\\ud800"),
    "NUL": ("a\0b", "a\\x00b"),
    "delete": ("a\x7f", "a\\x7f"),
}


@pytest.mark.parametrize(("text", "expected"), HOSTILE.values(), ids=HOSTILE)
def test_what_a_terminal_obeys_or_a_reader_cannot_see_is_shown_as_an_escape(text: str, expected: str) -> None:
    assert shown(text) == expected


def test_marks_that_would_pile_up_over_other_lines_are_shown_as_escapes() -> None:
    assert shown("a" + "\u0301" * 50) == "a\u0301\u0301" + "\\u0301" * 48


@pytest.mark.parametrize(
    "text", ["plain", "naïve café", "日本語", "क्षि", "[bold]not markup here[/bold]", "a\\b", "'\""]
)
def test_honest_text_is_shown_as_it_is(text: str) -> None:
    assert shown(text) == text


@given(st.text(st.characters(), max_size=60))
def test_whatever_is_shown_is_one_printable_line(text: str) -> None:
    assert shown(text).isprintable()
    assert shown(shown(text)) == shown(text)
    shown(text).encode()


@given(st.text(st.characters(), max_size=30), st.text(st.characters(), max_size=30))
def test_two_texts_are_never_quoted_alike(one: str, other: str) -> None:
    assert (quoted(one) == quoted(other)) == (one == other)


@given(st.text(st.characters(), max_size=60))
def test_a_quoted_text_ends_where_it_ends(text: str) -> None:
    value = quoted(text)
    assert value.isprintable()
    if not value.startswith('"'):
        assert value == text
        assert " " not in value
        assert "=" not in value
        return
    inner = value[1:-1].replace("\\\\", "")
    assert '"' not in inner.replace('\\"', "")


def test_what_is_kept_is_not_escaped() -> None:
    assert shown("a\n\tb\r", keep="\n\t") == "a\n\tb\\r"


def test_a_text_that_is_cut_says_how_long_it_was() -> None:
    assert shortened("abcdef", 6) == "abcdef"
    assert shortened("abcdef", 2) == "ab… (6 characters)"


def _raise(text: str) -> None:
    raise ValueError(text)


def test_no_logged_message_or_error_can_pass_for_a_line_of_the_log() -> None:
    stream = io.StringIO()
    logger = logging.Logger("test")
    handler = logging.StreamHandler(stream)
    handler.addFilter(Redaction())
    handler.setFormatter(HumanFormat("%(levelname)s %(message)s"))
    logger.addHandler(handler)
    try:
        _raise("boom\nWARNING forged \x1b[2J")
    except ValueError:
        logger.exception("tool %s raised", "x\nINFO forged")
    lines = stream.getvalue().splitlines()
    assert lines[0] == "ERROR tool x\\nINFO forged raised"
    assert all(line.startswith("  | ") for line in lines[1:])
    assert lines[-1] == "  | WARNING forged \\x1b[2J"
