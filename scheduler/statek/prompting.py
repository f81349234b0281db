"""What a model is asked, put together from the ledger: the conversation as it stood when the turn was asked for.

The beginning is read from the front, the rest from the back, turn by turn, until it is more than the context could
show. So a turn costs the same however long the conversation has been. How much of what was read is sent, and what is
left out of it, is decided in `agents.prompts`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from statek.agents import replies, workspaces
from statek.agents.class_docs import document_classes
from statek.agents.observations import describe, observe
from statek.agents.prompts import Budget, compose, text_tokens
from statek.agents.requests import ModelRequest
from statek.agents.transcript import (
    Entry,
    HarnessNote,
    Instructions,
    ModelTurn,
    Observation,
    UserMessage,
    WarmupShown,
)
from statek.agents.workspaces import Documented, Workspace
from statek.calls.admission import is_application_class
from statek.calls.offers import Offer
from statek.composing import Offered
from statek.core.agents import AgentDefinition
from statek.core.events import (
    BatchEnded,
    BatchSkipped,
    BatchSubmitted,
    ConsolePrinted,
    JobCreated,
    JobRevived,
    MessagePushed,
    PolicyViolated,
    TurnAnswered,
    TurnRequested,
)
from statek.core.jobs import Job
from statek.core.turns import WARM_UP
from statek.store import given
from statek.store.history import History
from statek.store.ledger import Stored
from statek_policies import Policy

OPENING_EVENTS: Final = 300
"""Of what comes before the first turn; messages beyond it are read from the back."""
PAGE: Final = 64
REACH: Final = 2
"""How many times the context is read at most: older exchanges are shortened before they are left out."""
LEAST_TOKENS: Final = 64
"""An exchange counts for as much at least, so that many tiny ones are not all read."""
TURNS_TOGETHER: Final = 8
"""What is read begins at a turn after a multiple of this, so that the prompt's beginning stays the same for a while."""
REPLY_TOKENS: Final = 4_096
WORKSPACES_KEPT: Final = 256

_OPENING: Final = tuple(event.kind for event in (JobCreated, BatchSubmitted, MessagePushed, TurnRequested))
_LATER: Final = tuple(event.kind for event in (TurnRequested, TurnAnswered, BatchSubmitted, MessagePushed, JobRevived))
_OF_BATCH: Final = tuple(event.kind for event in (ConsolePrinted, PolicyViolated, BatchEnded, BatchSkipped))

WRITE_CODE: Final = "Your reply had no code in it. Write code to go on, or call exit(...) with the result to end."
DECLINED: Final = "You declined. Go on in another way, or say why the task cannot be done with exit(...)."
TRY_AGAIN: Final = "The work had ended here. It is to be tried again."


class Prompting:
    """Puts requests together; keeps what the jobs of an agent have in common."""

    def __init__(self, ledger: History, offer: Callable[[], Offer], offered: Callable[[], Offered], model: str) -> None:
        """`offer` and `offered` say what the application offers now; `model` is asked where an agent names none."""
        self._ledger = ledger
        self._offer = offer
        self._offered = offered
        self._model = model
        self._outline = lru_cache(maxsize=WORKSPACES_KEPT)(self._read_outline)
        self._documented: dict[str, workspaces.Workspace] = {}
        """What an application has for the jobs of a version of an agent, by the version's digest."""
        self._documents: Offer | None = None
        """The offer that this is from; another one is made when dbzero is opened anew."""

    def request(self, job: Job, definition: AgentDefinition) -> ModelRequest:
        """Put together what the model is to be asked for the turn that was requested last.

        Raises `PromptTooLarge`, `RequestRefused`, and KeyError for a blob that is not there.
        """
        options = dict(_map(definition.options))
        most = options.pop("max_output_tokens", None)
        most = most if type(most) is int else None
        reply = most or min(REPLY_TOKENS, definition.context_tokens // 4)
        budget = Budget(definition.context_tokens, reply)
        asks = definition.plain_reply == "asks"
        beginning = _Beginning(self._ledger, job.job)
        later = _later(self._ledger, job.job, beginning.end, REACH * budget.prompt_tokens, asks)
        entries = (Instructions(definition.instructions), *beginning.entries, *later)
        preamble = workspaces.preamble(self._workspace(job, definition, beginning.given), definition.style)
        prompt = compose(entries, style=definition.style, preamble=preamble, budget=budget)
        return ModelRequest(definition.model or self._model, prompt.messages, prompt.tools, most, options)

    def _workspace(self, job: Job, definition: AgentDefinition, given_blob: str) -> Workspace:
        """Describe what the job's code has: what all jobs of that version have, and what this one was given."""
        offer = self._offer()
        if offer is not self._documents:
            self._documented.clear()
            self._documents = offer
        shared = self._documented.get(job.definition)
        if shared is None:
            if len(self._documented) >= WORKSPACES_KEPT:
                self._documented.pop(next(iter(self._documented)))
            shared = self._documented[job.definition] = self._document(definition, offer)
        own = self._outline(given_blob) if given_blob else ()
        return replace(shared, variables=(*shared.variables, *own))

    def _read_outline(self, blob: str) -> tuple[Documented, ...]:
        outline = given.outline(self._ledger.blob(blob))
        return tuple(Documented(name, f"{name}: {kind}") for name, kind in outline.items())

    def _document(self, definition: AgentDefinition, offer: Offer) -> Workspace:
        tools = [(name, offer.tool_for(definition.name, name)) for name in definition.tools]
        functions = [(name, tool.function) for name, tool in tools if tool is not None]
        names = self._offered().to(definition).exports
        policy = Policy.from_record(definition.policy)
        return Workspace(
            tuple(workspaces.document_tool(name, function) for name, function in functions),
            tuple(workspaces.document_variable(name, offer.variables[name]) for name in names),
            document_classes(
                (*_objects(offer, names), *(function for _, function in functions)),
                is_object=lambda cls: cls in offer.classes or is_application_class(cls),
                offers=policy.offers_member,
            ),
            tuple(sorted(policy.modules())),
        )


class _Beginning:
    """What comes before the first turn: variables that were given, the warm-up, the first messages."""

    def __init__(self, ledger: History, job: str) -> None:
        self.given = ""
        self.entries: list[Entry] = []
        self.end = 0
        """The cursor of the last event that was read."""
        for stored in ledger.events(job, limit=OPENING_EVENTS, kinds=_OPENING):
            self.end = stored.cursor
            match stored.event:
                case JobCreated():
                    self.given = stored.event.given
                case MessagePushed():
                    self.entries.append(_message(stored, stored.event))
                case BatchSubmitted() if stored.event.role == "warmup":
                    self.entries.append(_warm_up(ledger, job, stored.event))
                case TurnRequested():
                    return


def _later(ledger: History, job: str, after: int, tokens: int, asks: bool) -> list[Entry]:
    """Return what came after the beginning, in order, as far back as so many tokens reach."""
    later = _Later(ledger, job, tokens, asks)
    for stored in _backwards(ledger, job, after):
        if later.take(stored):
            break
    return later.entries


class _Later:
    """Puts exchanges together from events that come newest first."""

    def __init__(self, ledger: History, job: str, tokens: int, asks: bool) -> None:
        self._ledger = ledger
        self._job = job
        self._tokens = tokens
        self._asks = asks
        self._read: list[tuple[Entry, ...]] = []
        """The newest first."""
        self._batches: list[BatchSubmitted] = []
        """Of the reply that comes next."""
        self._reply: tuple[Entry, ...] = ()
        """With what came of it. What was said before it, and after it was asked for, is news to the model only then."""

    @property
    def entries(self) -> list[Entry]:
        """Return what was read, in order."""
        return [entry for exchange in (self._reply, *reversed(self._read)) for entry in exchange]

    def take(self, stored: Stored) -> bool:
        """Take the event before the last one; tell whether that is enough."""
        event = stored.event
        match event:
            case BatchSubmitted() if event.role not in WARM_UP:
                self._batches.insert(0, event)
            case TurnAnswered():
                self._reply = tuple(_exchange(self._ledger, self._job, event, self._batches, self._asks))
                self._batches = []
            case MessagePushed():
                self._add((_message(stored, event),))
            case JobRevived(reason="retry"):
                self._add((HarnessNote(TRY_AGAIN),))
            case TurnRequested() if self._reply:
                self._add(self._reply)
                self._reply = ()
                if self._tokens <= 0 and event.turn % TURNS_TOGETHER == 1:
                    self._read.append(_unread(event.turn - 1))
                    return True
        return False

    def _add(self, exchange: tuple[Entry, ...]) -> None:
        self._read.append(exchange)
        self._tokens -= max(LEAST_TOKENS, sum(map(_tokens, exchange)))


def _backwards(ledger: History, job: str, after: int) -> Iterator[Stored]:
    """Yield the events of a conversation from the request of the turn that is due back to its beginning."""
    before = ledger.last_cursor + 1
    requested = False
    while page := ledger.events_before(job, before, _LATER, PAGE):
        for stored in page:
            if stored.cursor <= after:
                return
            requested = requested or isinstance(stored.event, TurnRequested)
            if requested:
                yield stored
        before = page[-1].cursor


def _exchange(
    ledger: History, job: str, answer: TurnAnswered, batches: Iterable[BatchSubmitted], asks: bool
) -> Iterator[Entry]:
    """Yield a reply with what came of it."""
    turn = replies.unpack(ledger.blob(answer.reply))
    if answer.outcome == "refusal":
        yield ModelTurn(turn.text or answer.remark, turn.calls)
        yield HarnessNote(DECLINED)
        return
    yield turn
    if answer.outcome == "malformed":
        yield HarnessNote(answer.remark)
    elif answer.outcome == "plain" and asks:
        yield HarnessNote(WRITE_CODE)
    elif answer.outcome == "code":
        yield from _observations(ledger, job, turn, batches)


def _observations(
    ledger: History, job: str, turn: ModelTurn, batches: Iterable[BatchSubmitted]
) -> Iterator[Observation]:
    meaning = replies.read_reply(turn)
    blocks = meaning.blocks if isinstance(meaning, replies.Code) else ()
    for block, batch in zip(blocks, batches, strict=False):
        yield _observation(ledger, job, batch.batch, block.source, block.call)


def _observation(ledger: History, job: str, batch: int, source: str, call: str = "") -> Observation:
    events = (stored.event for stored in ledger.batch_events(job, batch, _OF_BATCH))
    return observe(events, batch, source, call=call)


def _warm_up(ledger: History, job: str, batch: BatchSubmitted) -> WarmupShown:
    source = ledger.blob(batch.source).decode("utf-8", "surrogatepass")
    return WarmupShown(source, _observation(ledger, job, batch.batch, source).console)


def _message(stored: Stored, event: MessagePushed) -> UserMessage:
    return UserMessage(event.text.decode("utf-8", "surrogatepass"), event.source, stored.at_us)


def _objects(offer: Offer, names: Collection[str]) -> Iterator[object]:
    """Yield the objects in these variables, those inside containers too."""
    return (value for place, value in offer.objects.items() if place.partition(".")[0] in names)


def _unread(turns: int) -> tuple[Entry, ...]:
    if not turns:
        return ()
    return (HarnessNote(f"{turns} earlier turns of this conversation are not shown; your variables are all there."),)


def _tokens(entry: Entry) -> int:
    """Estimate roughly what an entry takes in a prompt."""
    match entry:
        case ModelTurn():
            return text_tokens(entry.text) + sum(text_tokens(call.arguments) for call in entry.calls)
        case Observation():
            return text_tokens(describe(entry))
        case UserMessage() | HarnessNote():
            return text_tokens(entry.text)
    return 0


def _map(options: object) -> Mapping[str, Any]:
    return options if isinstance(options, dict) else {}
