"""What the model says to whom, and what goes wrong: values, and the file in which they can be written down.

    [[conversation]]
    marker = "You are the dispatcher"        # text that a message of the conversation has
    after = "repeat"                         # once all is said: "error" (the default), or the last reply again

    [[conversation.reply]]
    text = "I look first."
    code = '''
    print(task)
    '''

    [[conversation.reply]]
    text = "Done."
    fault = {kind = "status", status = 429, retry_after = 0.5, times = 2}

Which reply is given depends on nothing but the request: it is the one after as many as the request has replies of the
model. So a client that asks again, or that was restarted, is told the same.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, get_args

from scripted_model.requests import ChatRequest

FaultKind: TypeAlias = Literal["status", "hang", "close", "raw", "cut", "stall", "malformed", "error"]


class ScriptUnusable(Exception):
    """A script cannot be read, or does not mean anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """Something that goes wrong in the place of a reply, for as many requests; then the reply is given."""

    kind: FaultKind
    """An HTTP status; no answer at all; a connection closed without one, or after `raw`; and, after some pieces of a
    stream, one that is cut, one that stands still, a piece that is no JSON, an error in the API's form."""
    status: int = 500
    retry_after: float | None = None
    message: str = "as the script has it"
    code: str | None = None
    """As the API names the error."""
    raw: str = ""
    """The whole response, head and all."""
    after: int = 1
    """Pieces of a stream that come before it."""
    times: int | None = 1
    """None for every time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One reply."""

    text: str = ""
    code: str | Sequence[str] = ()
    """Code to run: a call of the tool `python` for a client that offers tools, and else a fenced block of the text."""
    calls: Sequence[tuple[str, str]] = ()
    """Tool calls as they are to be, name and arguments, whatever they mean."""
    refusal: str = ""
    finish_reason: str = ""
    """Empty for the one that fits."""
    usage: bool = True
    """Whether the reply says what it used."""
    cached_tokens: int = 0
    cost: float | None = None
    """As some providers report it with the usage."""
    model: str = ""
    """Under which name the model replies; empty for the one that it was asked by."""
    piece_characters: int = 64
    pause_seconds: float = 0.0
    """Before the reply, and between the pieces of a stream."""
    fault: Fault | None = None

    @property
    def sources(self) -> tuple[str, ...]:
        return (self.code,) if isinstance(self.code, str) else tuple(self.code)


@dataclass(frozen=True, slots=True)
class Conversation:
    """What is said to whoever has the marker in a message."""

    marker: str
    replies: tuple[Answer, ...]
    after: Literal["error", "repeat"] = "error"

    def reply(self, turn: int) -> Answer:
        """Return the reply after so many others; raises ScriptUnusable when there is none."""
        if turn < len(self.replies):
            return self.replies[turn]
        if self.after == "repeat":
            return self.replies[-1]
        raise ScriptUnusable(f"the conversation {self.marker!r} has {len(self.replies)} replies, and {turn} were given")


Author: TypeAlias = Callable[[ChatRequest], Answer]
"""Says what the model says; what it raises is told to the client as HTTP 400."""


@dataclass(frozen=True, slots=True)
class Script:
    """Conversations, of which the first whose marker a request has is the one that goes on."""

    conversations: tuple[Conversation, ...]

    def __call__(self, request: ChatRequest) -> Answer:
        """Return what the model says; raises ScriptUnusable when the script does not say."""
        for conversation in self.conversations:
            if request.mentions(conversation.marker):
                return conversation.reply(request.turn)
        markers = [conversation.marker for conversation in self.conversations]
        raise ScriptUnusable(f"no message has one of the markers {markers}")


def load_script(path: Path) -> Script:
    """Read a script from a TOML file; raises ScriptUnusable."""
    try:
        document = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ScriptUnusable(f"{path}: {error}") from error
    _check_names(document, {"conversation"}, "the script")
    return Script(tuple(_conversation(entry) for entry in document.get("conversation", [])))


def _conversation(entry: Mapping[str, Any]) -> Conversation:
    _check_names(entry, {"marker", "after", "reply"}, "a conversation")
    marker, replies = entry.get("marker"), entry.get("reply")
    if not isinstance(marker, str) or not replies:
        raise ScriptUnusable("a conversation needs a marker and at least one [[conversation.reply]]")
    if entry.get("after", "error") not in ("error", "repeat"):
        raise ScriptUnusable(f"the conversation {marker!r}: after is error or repeat")
    return Conversation(marker, tuple(_answer(reply, marker) for reply in replies), entry.get("after", "error"))


def _answer(entry: Mapping[str, Any], marker: str) -> Answer:
    where = f"a reply of {marker!r}"
    _check_names(entry, {field.name for field in dataclasses.fields(Answer)}, where)
    fault = entry.get("fault")
    calls = tuple((name, arguments) for name, arguments in entry.get("calls", ()))
    return Answer(**{**entry, "calls": calls, "fault": _fault(fault, where) if fault is not None else None})


def _fault(entry: Mapping[str, Any], where: str) -> Fault:
    _check_names(entry, {field.name for field in dataclasses.fields(Fault)}, f"a fault in {where}")
    if entry.get("kind") not in KINDS:
        raise ScriptUnusable(f"a fault in {where}: its kind is one of {', '.join(KINDS)}")
    return Fault(**entry)


def _check_names(entry: Mapping[str, Any], valid: set[str], where: str) -> None:
    unknown = sorted(entry.keys() - valid)
    if unknown:
        raise ScriptUnusable(f"{where} has no {', '.join(unknown)}; there is {', '.join(sorted(valid))}")


KINDS: Final = get_args(FaultKind)
