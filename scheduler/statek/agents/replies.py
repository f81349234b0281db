"""What a model means by its reply: code to run, words, a refusal, or something that cannot be used. Pure.

The rules, which do not depend on the agent's style:

* Calls of the tool `python` are code, one batch each, in their order. If one of them cannot be read, none is run.
* Without calls, the blocks that are fenced as Python are joined in their order, a blank line between them, and are one
  batch. A fence is that of CommonMark (three or more of ` or ~), but it may be indented as deep as it likes; its lines
  lose that much. It is closed by as many or more of the same character, indented at most three places further. One that
  is never closed reaches to the end.
* A fence that names no language is not code. If there is nothing else, the model is asked to name it, rather than have
  guessed for it.
* Nothing of a reply that was cut off for its length is run.
* What stands between <think> and </think> at the beginning is no part of the reply.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import msgpack

from statek.agents.excerpts import sendable
from statek.agents.transcript import CALLS_LIMIT, ModelTurn, ToolCall
from statek_protocol import schema
from statek_protocol.messages.base import SOURCE_LIMIT

TOOL_NAME: Final = "python"
CODE_ARGUMENT: Final = "code"

_LANGUAGES: Final = frozenset({"python", "py", "python3", "py3"})
_OPENING: Final = re.compile(r"([ \t]*)(`{3,}|~{3,})[ \t]*([^\n]*)")
_WORD: Final = re.compile(r"[{.\s]*([\w+#-]+)")
_CLOSING_INDENT: Final = 3
_THINKING: Final = "<think>"
_THOUGHT: Final = "</think>"


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One batch to run."""

    source: str
    call: str = ""
    """The id of the tool call that it came in."""


@dataclass(frozen=True, slots=True)
class Code:
    """The reply has code: batches of one submission, of which the rest is skipped after one that is not ok."""

    blocks: tuple[CodeBlock, ...]


@dataclass(frozen=True, slots=True)
class Plain:
    """The reply is words."""

    text: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """The model, or its provider's filter, will not reply."""

    text: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """The reply cannot be used."""

    reason: str
    """What is wrong, and what to do, in a sentence for the model."""


Meaning: TypeAlias = Code | Plain | Refusal | Malformed


def read_reply(turn: ModelTurn, finish_reason: str = "stop", refusal: str = "") -> Meaning:
    """Say what a reply means; never raises, whatever it holds."""
    if refusal:
        return Refusal(refusal)
    if finish_reason == "content_filter":
        return Refusal("the provider's content filter ended the reply")
    if finish_reason == "length":
        return Malformed("Your reply was cut off because it was too long, so none of it was run. Write less at once.")
    return _bounded(_calls(turn.calls) if turn.calls else _text(spoken(turn.text)))


def spoken(text: str) -> str:
    """Return a reply's text without what the model thought aloud before it."""
    if not text.lstrip().startswith(_THINKING):
        return text
    return text.partition(_THOUGHT)[2].lstrip()


def pack(turn: ModelTurn) -> bytes:
    """Write a reply down as it came, to be kept."""
    return msgpack.packb(schema.dump(turn))  # type: ignore[no-any-return]  # msgpack says nothing about its results


def unpack(data: bytes) -> ModelTurn:
    """Read what `pack` wrote; raises statek_protocol.errors.InvalidField or ValueError for anything else."""
    return schema.load(ModelTurn, msgpack.unpackb(data))


def code_of(call: ToolCall) -> str | None:
    """Return the code of a call, or None where it has none that can be read."""
    try:
        arguments: Any = json.loads(call.arguments)
    except (ValueError, RecursionError):
        return None
    code = arguments.get(CODE_ARGUMENT) if isinstance(arguments, dict) else None
    return sendable(code) if isinstance(code, str) else None


def _calls(calls: tuple[ToolCall, ...]) -> Meaning:
    if len(calls) > CALLS_LIMIT:
        return _unusable(f"The reply has {len(calls)} tool calls, and {CALLS_LIMIT} is the most.")
    blocks = []
    for call in calls:
        if call.name != TOOL_NAME:
            return _unusable(f"There is no tool {call.name[:100]!r}, only `{TOOL_NAME}`: call functions from its code.")
        code = code_of(call)
        if code is None:
            return _unusable(f'The arguments of `{TOOL_NAME}` are not a JSON object {{"{CODE_ARGUMENT}": "..."}}.')
        blocks.append(CodeBlock(code, call.id))
    return Code(tuple(blocks))


def _unusable(reason: str) -> Malformed:
    return Malformed(f"{sendable(reason)} None of the calls was run.")


def _text(text: str) -> Meaning:
    fences = list(_fences(text))
    sources = [source for language, source in fences if language in _LANGUAGES]
    if sources:
        return Code((CodeBlock(sendable("\n".join(sources))),))
    if any(not language for language, _ in fences):
        return Malformed("No code was run: begin the block that is to be run with ```python.")
    return Plain(sendable(text).strip()) if text.strip() else Malformed("The reply was empty.")


def _fences(text: str) -> Iterator[tuple[str, str]]:
    """Give the language, in small letters, and the content of each fenced block."""
    lines = iter(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"))
    for line in lines:
        opening = _OPENING.fullmatch(line)
        if opening is None or (opening[2][0] == "`" and "`" in opening[3]):
            continue
        yield _language(opening[3]), "".join(f"{part}\n" for part in _content(lines, opening[1], opening[2]))


def _language(info: str) -> str:
    """Take the first word of what follows the fence, as in ```Python title="x" or ```{.python}."""
    found = _WORD.match(info)
    return found[1].lower() if found is not None else ""


def _content(lines: Iterator[str], indent: str, mark: str) -> Iterator[str]:
    closing = re.compile(rf"[ \t]{{0,{len(indent) + _CLOSING_INDENT}}}{re.escape(mark[0])}{{{len(mark)},}}[ \t]*")
    for line in lines:
        if closing.fullmatch(line):
            return
        yield _outdented(line, len(indent))


def _outdented(line: str, width: int) -> str:
    """Take away as much of a line's indentation as its fence has."""
    return line[min(width, len(line) - len(line.lstrip(" \t"))) :]


def _bounded(meaning: Meaning) -> Meaning:
    """Refuse a source that no policy could allow."""
    if isinstance(meaning, Code) and any(len(block.source.encode()) > SOURCE_LIMIT for block in meaning.blocks):
        return Malformed(f"The code is longer than {SOURCE_LIMIT} bytes, so none of it was run. Write less at once.")
    return meaning
