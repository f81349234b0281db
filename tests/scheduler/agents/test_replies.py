"""What a model means by its reply, by stated rules, whatever it says."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.agents.replies import Code, CodeBlock, Malformed, Plain, Refusal, pack, read_reply, unpack
from statek.agents.transcript import CALLS_LIMIT, ModelTurn, ToolCall
from statek_protocol.messages.base import SOURCE_LIMIT


def source_of(text: str) -> str:
    meaning = read_reply(ModelTurn(text))
    assert isinstance(meaning, Code), meaning
    (block,) = meaning.blocks
    return block.source


def call(arguments: str, name: str = "python", id: str = "c1") -> ToolCall:
    return ToolCall(id, name, arguments)


@pytest.mark.parametrize(
    "text",
    [
        "```python\na = 1\n```",
        "```py\na = 1\n```",
        "```Python\na = 1\n```",
        "```python3\na = 1\n```\nThat is all.",
        '``` python title="x"\na = 1\n```',
        "```{.python}\na = 1\n```",
        "~~~python\na = 1\n~~~",
        "````python\na = 1\n````",
        "- so:\n\n    ```python\n    a = 1\n    ```\n",
        "\t```python\n\ta = 1\n\t```",
        "```python\r\na = 1\r\n```\r\n",
        "```python\na = 1\n``` \n",
        "```python\na = 1",
        "```text\nno\n```\n```python\na = 1\n```\n```\nno\n```",
    ],
)
def test_a_fenced_block_is_code_however_it_is_fenced(text: str) -> None:
    assert source_of(text) == "a = 1\n"


def test_several_blocks_are_joined_in_their_order() -> None:
    assert source_of("First:\n```python\na = 1\n```\nthen\n```py\nb = a\n```") == "a = 1\n\nb = a\n"


def test_a_fence_inside_of_code_does_not_end_it() -> None:
    text = '```python\ndef f():\n    """\n    ```\n    x\n    ```\n    """\n```'
    assert source_of(text) == 'def f():\n    """\n    ```\n    x\n    ```\n    """\n'
    assert source_of("````python\ns = '''\n```\n'''\n````") == "s = '''\n```\n'''\n"


def test_lines_keep_the_indentation_that_their_fence_does_not_have() -> None:
    assert source_of("  ```python\n  if a:\n      b()\n c()\n  ```") == "if a:\n    b()\nc()\n"


def test_words_are_words() -> None:
    assert read_reply(ModelTurn("Use `print`, or ```print(1)``` in a line.\n")) == Plain(
        "Use `print`, or ```print(1)``` in a line."
    )
    assert read_reply(ModelTurn("```json\n{}\n```")) == Plain("```json\n{}\n```")


def test_a_block_without_a_language_is_not_guessed_at() -> None:
    meaning = read_reply(ModelTurn("```\nprint(1)\n```"))
    assert isinstance(meaning, Malformed)
    assert "```python" in meaning.reason


@pytest.mark.parametrize("text", ["", " \n", "<think>nothing else</think>", "<think>and no end"])
def test_a_reply_that_says_nothing_is_malformed(text: str) -> None:
    assert read_reply(ModelTurn(text)) == Malformed("The reply was empty.")


def test_code_that_was_only_thought_of_is_not_run() -> None:
    assert source_of("<think>\n```python\nbad()\n```\n</think>\n```python\ngood()\n```") == "good()\n"


@pytest.mark.parametrize("text", ["```python\na = 1", "```python\na = 1\n```", "Well, then"])
def test_nothing_of_a_reply_that_was_cut_off_is_run(text: str) -> None:
    meaning = read_reply(ModelTurn(text), "length")
    assert isinstance(meaning, Malformed)
    assert "cut off" in meaning.reason


def test_a_refusal_is_one_whatever_else_there_is() -> None:
    assert read_reply(ModelTurn("```python\na\n```"), refusal="I will not.") == Refusal("I will not.")
    assert isinstance(read_reply(ModelTurn("```python\na\n```"), "content_filter"), Refusal)


def test_each_call_of_the_tool_is_a_batch_in_its_order() -> None:
    turn = ModelTurn("Look:", (call('{"code": "a = 1"}', id="x"), call('{"code": "b = 2\\n"}', id="y")))
    assert read_reply(turn, "tool_calls") == Code((CodeBlock("a = 1", "x"), CodeBlock("b = 2\n", "y")))


def test_calls_count_before_blocks() -> None:
    turn = ModelTurn("```python\nno\n```", (call('{"code": "yes"}'),))
    assert read_reply(turn) == Code((CodeBlock("yes", "c1"),))


@pytest.mark.parametrize(
    "arguments", ["", "{", "[]", '"code"', "{}", '{"code": 1}', "[" * 100_000, '{"code": ' + "9" * 9_999]
)
def test_arguments_that_are_no_code_are_malformed_and_nothing_is_run(arguments: str) -> None:
    meaning = read_reply(ModelTurn("", (call('{"code": "a"}', id="x"), call(arguments, id="y"))), "tool_calls")
    assert isinstance(meaning, Malformed)
    assert '{"code": "..."}' in meaning.reason
    assert "None of the calls was run." in meaning.reason


def test_another_tool_is_named_as_there_is_none() -> None:
    meaning = read_reply(ModelTurn("", (call("{}", "search"),)))
    assert isinstance(meaning, Malformed)
    assert "'search'" in meaning.reason


def test_code_with_a_lone_surrogate_can_still_be_kept() -> None:
    (block,) = read_reply(ModelTurn("", (call('{"code": "\\ud800"}'),))).blocks  # type: ignore[union-attr]  # it is code
    assert block.source.encode() == b"\\ud800"


def test_a_source_that_no_policy_could_allow_is_refused() -> None:
    meaning = read_reply(ModelTurn("```python\n" + "#" * SOURCE_LIMIT + "\n```"))
    assert isinstance(meaning, Malformed)
    assert str(SOURCE_LIMIT) in meaning.reason


def test_too_many_calls_are_refused() -> None:
    turn = ModelTurn("", tuple(call('{"code": "a"}', id=str(number)) for number in range(CALLS_LIMIT + 1)))
    assert isinstance(read_reply(turn), Malformed)


def test_calls_without_ids_of_their_own_get_some() -> None:
    for ids in (("", ""), ("a", "a")):
        turn = ModelTurn("", tuple(call("{}", id=id) for id in ids))
        assert len({found.id for found in turn.calls} - {""}) == 2


lines = st.sampled_from(
    [
        "```python",
        "```",
        "~~~",
        "    ```",
        "`````",
        "a = 1",
        "",
        "<think>",
        "</think>",
        "```py x`",
        "\t~~~ Python",
        "\x00",
        "\ud800",
    ]
)
texts = st.text(st.characters(), max_size=200) | st.lists(lines, max_size=12).map("\n".join)
calls = st.lists(st.builds(ToolCall, texts, st.just("python") | texts, texts), max_size=3).map(tuple)


@given(texts, calls, st.sampled_from(["stop", "length", "tool_calls", "content_filter", ""]), st.just("") | texts)
def test_no_reply_at_all_makes_it_raise(
    text: str, calls: tuple[ToolCall, ...], finish_reason: str, refusal: str
) -> None:
    meaning = read_reply(ModelTurn(text, calls), finish_reason, refusal)
    if isinstance(meaning, Code):
        assert all(block.source.encode() is not None for block in meaning.blocks)
        assert [block.call for block in meaning.blocks] in ([""], [found.id for found in ModelTurn(text, calls).calls])


@given(st.text(max_size=100), calls)
def test_a_reply_that_is_kept_comes_back_as_it_was(text: str, calls: tuple[ToolCall, ...]) -> None:
    turn = ModelTurn(text, calls)
    try:
        kept = pack(turn)
    except UnicodeEncodeError:
        return  # `model` lets no lone surrogate through
    assert unpack(kept) == turn
