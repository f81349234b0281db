"""Pieces of a reply put together: whatever comes is a reply that can be kept, or none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from questions import request

from statek.agents.collecting import Collector, ReplyUnusable
from statek.agents.replies import pack, read_reply, unpack
from statek.agents.requests import ModelReply
from statek.agents.transcript import CALLS_LIMIT

LIMIT = 2_000


def collected(*chunks: Any, limit: int = LIMIT) -> ModelReply:
    collector = Collector(limit)
    for chunk in chunks:
        collector.take_chunk(chunk)
    collector.check_whole()
    return collector.reply(request(), seconds=1.0, first_token_seconds=0.5, attempts=1)


def chunk(finish_reason: Any = None, *, model: Any = "m", usage: Any = None, index: Any = 0, **delta: Any) -> Any:
    choice = SimpleNamespace(index=index, delta=SimpleNamespace(**delta), finish_reason=finish_reason)
    return SimpleNamespace(model=model, usage=usage, choices=[choice])


def call(index: Any = 0, id: Any = None, name: Any = None, arguments: Any = None) -> Any:
    return SimpleNamespace(index=index, id=id, function=SimpleNamespace(name=name, arguments=arguments))


texts = st.text(st.characters(), max_size=60)
anything = st.none() | st.booleans() | st.integers() | st.floats() | texts | st.lists(st.integers(), max_size=2)
mostly = st.one_of(texts, texts, st.none(), texts, anything)
calls = st.builds(call, st.integers(0, 3) | anything, mostly, mostly, mostly)
deltas = st.fixed_dictionaries(
    {}, optional={"content": mostly, "refusal": mostly, "tool_calls": st.lists(calls, max_size=4)}
)
usages = st.builds(
    SimpleNamespace,
    prompt_tokens=anything,
    completion_tokens=anything,
    prompt_tokens_details=st.none() | st.builds(SimpleNamespace, cached_tokens=anything),
    cost=anything,
)
chunks = st.builds(lambda reason, usage, delta: chunk(reason, usage=usage, **delta), mostly, usages, deltas)


@given(st.lists(chunks, max_size=6))
def test_whatever_comes_is_a_reply_that_can_be_kept_or_none(pieces: list[Any]) -> None:
    try:
        reply = collected(*pieces)
    except ReplyUnusable:
        return
    assert unpack(pack(reply.turn)) == reply.turn
    read_reply(reply.turn, reply.finish_reason, reply.refusal)
    assert 0 <= reply.cached_tokens <= reply.input_tokens
    assert reply.reported_cost_micros is None or reply.reported_cost_micros >= 0


def test_numbers_of_tokens_that_nobody_can_mean_are_none_and_estimated_instead() -> None:
    usage = SimpleNamespace(prompt_tokens=2**52, completion_tokens=7, prompt_tokens_details=None, cost=None)
    reply = collected(chunk(content="a"), chunk("stop", usage=usage))
    assert reply.usage_estimated
    assert reply.input_tokens < 1_000


@pytest.mark.parametrize("field", ["id", "name"])
@pytest.mark.parametrize("text", ["x" * 201, "\ud800" * 100])
def test_a_name_that_no_record_could_hold_makes_the_reply_none(field: str, text: str) -> None:
    with pytest.raises(ReplyUnusable, match="too long"):
        collected(chunk("stop", tool_calls=[call(**{field: text})]))


def test_more_calls_than_a_reply_may_have_make_it_none() -> None:
    with pytest.raises(ReplyUnusable, match="more than 32 tool calls"):
        collected(chunk("stop", tool_calls=[call(number, f"c{number}") for number in range(CALLS_LIMIT + 1)]))


def test_pieces_of_a_call_without_index_and_id_go_on_with_the_last_one() -> None:
    pieces = [call(None, "a", "python", '{"co'), call(None, None, None, 'de": "x"}'), call(None, "b", "python", "{}")]
    reply = collected(*(chunk(tool_calls=[piece]) for piece in pieces), chunk("tool_calls"))
    assert [(found.id, found.arguments) for found in reply.turn.calls] == [("a", '{"code": "x"}'), ("b", "{}")]


def test_an_id_that_is_repeated_in_each_piece_is_one_call() -> None:
    pieces = [call(0, "a", "python", "{"), call(0, "a", "python", "}")]
    (found,) = collected(*(chunk(tool_calls=[piece]) for piece in pieces), chunk("tool_calls")).turn.calls
    assert (found.name, found.arguments) == ("python", "{}")


def test_other_choices_than_the_first_are_none_of_ours() -> None:
    assert collected(chunk(content="a"), chunk("stop", index=1, content="b"), chunk("stop")).turn.text == "a"


def test_a_reply_without_an_end_is_none() -> None:
    with pytest.raises(ReplyUnusable, match="broke off"):
        collected(chunk(content="a"))


def test_a_reply_that_is_too_long_is_none_and_would_be_so_again() -> None:
    with pytest.raises(ReplyUnusable) as refused:
        collected(chunk("stop", content="x" * (LIMIT + 1)))
    assert not refused.value.may_pass
