"""What a model is sent: the conversation, as much of it as its budget of tokens allows. Pure.

**What is trimmed, and when.** Entries are taken in *exchanges*: a reply with all that came of it, or anything else by
itself. If all of them fit, all are sent. Otherwise, and only as far as it takes:

1. Older exchanges are shortened to the head and tail of each of their texts, from the oldest on.
2. Then they are left out, from the oldest on, and one line says how many entries that are.
3. Then what stays in any case is shortened: the warm-up, the first message, and the last exchanges (`Budget.kept`).
4. Then the last exchanges are left out as well, but for the newest.

The instructions are never cut. Steps 1 and 2 take eight exchanges at once: so the beginning of the prompt stays the
same for as many turns, and the provider's cache of prompts is of use.

**How tokens are counted.** By estimate: three bytes of UTF-8 to a token, and eight tokens more for each message.
English has four to five bytes to a token in the usual vocabularies, code between three and four, other scripts about
three (one character), so the estimate is rather too high; long digits and random letters can have two.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import takewhile
from typing import Any, Final, TypeAlias

from statek.agents.chat import PYTHON_TOOL, ChatMessage, in_turns, messages_of, said
from statek.agents.tags import tagged
from statek.agents.transcript import Entry, Instructions, ModelTurn, Observation, Style, UserMessage, WarmupShown
from statek.agents.trimming import Trim, trims
from statek.errors import StatekError

BYTES_PER_TOKEN: Final = 3
TOKENS_PER_MESSAGE: Final = 8
_LEFT_OUT: Final = "{count} earlier entries of this conversation are left out here; your variables are all there."
_REMARK: Final = TOKENS_PER_MESSAGE + (len(_LEFT_OUT) + 60) // BYTES_PER_TOKEN
"""Tokens of that line, whatever the count."""
_SPOKEN_TO: Final = 4 * TOKENS_PER_MESSAGE
"""Tokens of what `in_turns` may add."""

Exchange: TypeAlias = tuple[Entry, ...]
_Written: TypeAlias = Callable[[int, int | None], tuple[ChatMessage, ...]]


class PromptTooLarge(StatekError):
    """The instructions, the workspace's description and the newest entry do not fit into the agent's context."""

    def __init__(self, needed: int, allowed: int) -> None:
        super().__init__(
            f"the prompt needs about {needed} tokens at its shortest and {allowed} are allowed: "
            "raise the agent's context_tokens, or shorten its instructions or the documentation of its tools"
        )
        self.needed = needed
        self.allowed = allowed


@dataclass(frozen=True, slots=True)
class Budget:
    """What a prompt may have, by estimate."""

    context_tokens: int
    """Prompt and reply together."""
    reply_tokens: int = 4_096
    """Kept free for the reply."""
    kept: int = 6
    """How many of the last exchanges are not left out as long as it can be helped."""

    @property
    def prompt_tokens(self) -> int:
        return max(0, self.context_tokens - self.reply_tokens)


@dataclass(frozen=True, slots=True)
class Prompt:
    """What to send, and how large it is."""

    messages: tuple[ChatMessage, ...]
    tools: tuple[ChatMessage, ...]
    estimated_tokens: int
    left_out: int
    """Entries of the conversation that are not in it."""


def compose(entries: Sequence[Entry], *, style: Style, preamble: str, budget: Budget) -> Prompt:
    """Put a prompt together; raises PromptTooLarge."""
    instructions = (entry.text for entry in entries if isinstance(entry, Instructions))
    system = said("system", "\n\n".join(filter(None, (*instructions, preamble))))
    tools = (PYTHON_TOOL,) if style == "tool" else ()
    fixed = tokens_of((system, *tools)) + _SPOKEN_TO
    exchanges = tuple(_exchanges(entries))

    @cache
    def written(number: int, limit: int | None) -> tuple[ChatMessage, ...]:
        return tuple(messages_of(exchanges[number], style, limit))

    @cache
    def size(number: int, limit: int | None) -> int:
        return tokens_of(written(number, limit))

    trim = Trim(())
    for trim in trims(len(exchanges), _opening(exchanges), size, kept=budget.kept, remark=_REMARK):
        if fixed + trim.size <= budget.prompt_tokens:
            break
    else:
        raise PromptTooLarge(fixed + trim.size, budget.prompt_tokens)
    left_out = sum(len(exchanges[number]) for number in trim.dropped)
    messages = (system, *in_turns(_remaining(trim, written, left_out)))
    return Prompt(messages, tools, tokens_of((*messages, *tools)), left_out)


def tokens_of(messages: Iterable[Mapping[str, Any]]) -> int:
    """Estimate the tokens of messages, or of tools."""
    return sum(TOKENS_PER_MESSAGE + text_tokens(_content(message)) for message in messages)


def text_tokens(text: str) -> int:
    """Estimate the tokens of a text."""
    return -(-len(text.encode("utf-8", "backslashreplace")) // BYTES_PER_TOKEN)


def _content(message: Mapping[str, Any]) -> str:
    """Return all that counts of a message: its text, and whatever else it has as JSON."""
    others = {key: value for key, value in message.items() if key not in ("role", "content")}
    return (message.get("content") or "") + (json.dumps(others, ensure_ascii=False) if others else "")


def _exchanges(entries: Iterable[Entry]) -> Iterator[Exchange]:
    """Take each reply together with the observations before the next one; what was said meanwhile comes after them."""
    exchange: list[Entry] = []
    meanwhile: list[Exchange] = []
    for entry in entries:
        if isinstance(entry, Instructions):
            continue
        if isinstance(entry, ModelTurn):
            yield from _closed(exchange, meanwhile)
            exchange, meanwhile = [entry], []
        elif exchange and isinstance(entry, Observation):
            exchange.append(entry)
        else:
            meanwhile.append((entry,))
    yield from _closed(exchange, meanwhile)


def _closed(exchange: list[Entry], meanwhile: list[Exchange]) -> Iterator[Exchange]:
    if exchange:
        yield tuple(exchange)
    yield from meanwhile


def _opening(exchanges: Sequence[Exchange]) -> frozenset[int]:
    """Find what is never left out at the beginning: the warm-up, and the first message before the first reply."""
    firsts = list(takewhile(lambda first: not isinstance(first, ModelTurn), (exchange[0] for exchange in exchanges)))
    message = next((number for number, first in enumerate(firsts) if isinstance(first, UserMessage)), None)
    warmup = (number for number, first in enumerate(firsts) if isinstance(first, WarmupShown))
    return frozenset(warmup) | ({message} if message is not None else frozenset())


def _remaining(trim: Trim, written: _Written, left_out: int) -> Iterator[ChatMessage]:
    """Give the messages of what is left, and in the place of what is not a line that says so."""
    first_dropped = min(trim.dropped, default=None)
    for number, limit in enumerate(trim.limits):
        if number not in trim.dropped:
            yield from written(number, limit)
        elif number == first_dropped:
            yield said("user", tagged("runtime", _LEFT_OUT.format(count=left_out)))
