"""Was the model told everything once, in order, and asked again only for what was not on record?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

from crashsweep.talks.author import Asked
from crashsweep.talks.record import Record, Reply
from crashsweep.talks.tale import Note, Tale


def problems(tale: Tale, record: Record, asked: Sequence[Asked], notes: Sequence[Note]) -> Iterator[str]:
    """Yield what is wrong with what a model was asked in a conversation; `notes` were pushed and acknowledged."""
    yield from _replies(record, asked)
    yield from _order(asked)
    if record.replies:
        last = next((one for one in reversed(asked) if one.reply == len(record.replies) - 1), None)
        if last is not None:
            yield from _told(tale, record, last)
            yield from _notes(record, last, notes)
    for note in notes:
        if any(one.request.text.count(note.text) > 1 for one in asked):
            yield f"the model was told {note.text!r} twice"


def _replies(record: Record, asked: Sequence[Asked]) -> Iterator[str]:
    """Hold each reply on record, and its usage, against the requests for it."""
    for number, reply in enumerate(record.replies):
        whole = [one for one in asked if one.reply == number and one.said]
        if not 1 <= len(whole) <= reply.requested:
            yield f"reply {number} was given {len(whole)} times and asked for {reply.requested} times"
        if whole and not any(_used(reply, one) for one in whole):
            yield f"reply {number} used {reply.answer.usage}, which the model has not said"
    beyond = sum(one.said and one.reply >= len(record.replies) for one in asked)
    if beyond > record.open_requests:
        yield f"a reply was given {beyond} times that is not on record, and asked for {record.open_requests} times"


def _used(reply: Reply, asked: Asked) -> bool:
    used = reply.answer.usage
    return (used.input_tokens, used.output_tokens) == (asked.input_tokens, asked.output_tokens)


def _order(asked: Sequence[Asked]) -> Iterator[str]:
    """Each request has to begin with all that the one before it said."""
    for earlier, later in pairwise(asked):
        before, after = _lines(earlier), _lines(later)
        if after[: len(before)] != before:
            place = next((n for n, line in enumerate(before) if n >= len(after) or after[n] != line), 0)
            got = after[place : place + 2]
            yield f"after {earlier.reply} replies the model was told {before[place]!r}, later {got!r} in its place"


def _told(tale: Tale, record: Record, last: Asked) -> Iterator[str]:
    """Hold the last request against the replies on record and what their code printed."""
    exchanges = list(_exchanges(last))
    if len(exchanges) != last.reply:
        yield f"the model was shown {len(exchanges)} of its {last.reply} replies"
    for number, (said, shown) in enumerate(exchanges):
        for source in tale.sources(number):
            if source.strip() not in said:
                yield f"the model was shown another reply {number} than its own: {said!r}"
        for line in set(printed := record.replies[number].console.splitlines()):
            if shown.count(line) != printed.count(line):
                yield f"the model was told {line!r} {shown.count(line)} times, printed {printed.count(line)} times"


def _notes(record: Record, last: Asked, notes: Sequence[Note]) -> Iterator[str]:
    """Every message has to be read, unless the job was ended for good before its model could be asked."""
    unread = record.job.conversation.unread if record.job.conversation is not None else 0
    known = record.texts[: len(record.texts) - unread]
    for note in notes:
        if note.text in known and note.text not in last.request.text and not record.open_requests:
            yield f"the model was never told {note.text!r}"


def _exchanges(asked: Asked) -> Iterator[tuple[str, list[str]]]:
    """Yield each reply that the model is shown as its own, and the lines that follow it up to the next one."""
    said: str | None = None
    shown: list[str] = []
    for message in asked.request.messages:
        if message["role"] == "assistant":
            if said is not None:
                yield said, shown
            said, shown = _spoken(message), []
        else:
            shown += (message.get("content") or "").splitlines()
    if said is not None:
        yield said, shown


def _spoken(message: Any) -> str:
    """Return what the model said, its code as it is."""
    codes = [json.loads(call["function"]["arguments"])["code"] for call in message.get("tool_calls") or ()]
    return "\n".join([message.get("content") or "", *codes])


def _lines(asked: Asked) -> list[str]:
    texts = (f"{message['role']}: {_spoken(message)}" for message in asked.request.messages)
    return [line for text in texts for line in text.splitlines() if line]
