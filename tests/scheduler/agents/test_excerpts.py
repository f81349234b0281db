"""Long texts shown in part: within their bound, true to the text, and exact about what is missing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.agents.excerpts import Excerpt, excerpt, sendable

texts = st.text(st.characters(), max_size=400)  # lone surrogates among them


@given(texts, st.integers(0, 300))
def test_what_is_kept_and_what_is_missing_add_up_to_the_text(text: str, limit: int) -> None:
    whole = sendable(text)
    cut = excerpt(text, limit)
    kept = len(cut.head.encode()) + len(cut.tail.encode())
    assert kept + cut.omitted_bytes == len(whole.encode())
    assert kept <= limit
    assert whole.startswith(cut.head)
    assert whole.endswith(cut.tail)


@given(texts, st.integers(0, 300), st.integers(0, 300))
def test_an_excerpt_of_an_excerpt_still_counts_what_is_missing_of_the_text(text: str, first: int, second: int) -> None:
    whole = sendable(text)
    cut = excerpt(text, first).shortened(second)
    kept = len(cut.head.encode()) + len(cut.tail.encode())
    assert kept + cut.omitted_bytes == len(whole.encode())
    assert kept <= min(first, second) or not cut.omitted_bytes
    assert whole.startswith(cut.head)
    assert whole.endswith(cut.tail)


def test_a_text_that_fits_is_shown_as_it_is() -> None:
    assert str(excerpt("one\ntwo\n", 8)) == "one\ntwo\n"


def test_a_cut_falls_between_lines_and_says_how_much_is_missing() -> None:
    text = "".join(f"line {number:03}\n" for number in range(100))
    assert str(excerpt(text, 40)) == "line 000\nline 001\n[... 864 bytes left out ...]\nline 098\nline 099\n"


@pytest.mark.parametrize("data", [b"caf\xc3", b"\xff\xfe", b"\xed\xa0\x80"])
def test_bytes_that_are_no_utf_8_become_escapes_which_any_request_can_carry(data: bytes) -> None:
    shown = str(excerpt(data, 100))
    assert "\\x" in shown
    assert shown.encode()


def test_a_character_is_never_cut_in_two() -> None:
    assert excerpt("€" * 10, 7) == Excerpt("€", "€", 24)
