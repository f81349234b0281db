"""Conversations of any shape, for tests of what is made of them."""

from __future__ import annotations

from hypothesis import strategies as st

from statek.agents.excerpts import excerpt
from statek.agents.transcript import (
    Entry,
    HarnessNote,
    Instructions,
    ModelTurn,
    Observation,
    ToolCall,
    UserMessage,
    WarmupShown,
)

words = st.text(st.characters(), max_size=30) | st.sampled_from(["long " * 400, "日本" * 300, "x" * 5_000, "```\n"])


@st.composite
def replies(draw: st.DrawFn) -> list[Entry]:
    """A reply of either style, with the observations of some of its calls, and what was said in between."""
    style = draw(st.sampled_from(["plain", "fenced", "calls"]))
    ids = draw(st.lists(st.sampled_from(["a", "b", "c", ""]), min_size=1, max_size=3)) if style == "calls" else []
    arguments = st.sampled_from(['{"code": "print(1)"}', "{broken", "[]", '{"code": 3}'])
    turn = ModelTurn(draw(words), tuple(ToolCall(id, "python", draw(arguments)) for id in ids))
    observed = [observation(draw(words), call.id) for call in turn.calls if draw(st.booleans())]
    if style == "fenced":
        observed = [observation(draw(words), "")]
    meanwhile: list[Entry] = draw(st.lists(st.builds(UserMessage, words, words), max_size=1))
    return [turn, *meanwhile, *observed]


def observation(console: str, call: str = "") -> Observation:
    """An observation of a batch that ended as it should."""
    return Observation(excerpt(console, 20_000), "ok", "print(1)\n", call)


said = st.one_of(
    st.builds(UserMessage, words),
    st.builds(UserMessage, words, words),
    st.builds(HarnessNote, words),
)
openings = st.lists(
    st.builds(WarmupShown, words, st.builds(lambda text: excerpt(text, 1_000), words)) | said, max_size=4
)


@st.composite
def conversations(draw: st.DrawFn) -> list[Entry]:
    """Instructions, an opening, and any number of replies and messages."""
    entries: list[Entry] = [Instructions("Do what you are told."), *draw(openings)]
    for part in draw(st.lists(replies() | said.map(lambda entry: [entry]), max_size=12)):
        entries.extend(part)
    return entries
