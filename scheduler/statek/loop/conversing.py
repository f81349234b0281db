"""The loop's part about conversations: whose model is asked next, and what it replied.

That a turn is asked for is durable before the model is; its reply is durable before any code of it runs. A reply that
was awaited when the scheduler ended is asked for again. What a reply means is decided in `core.turns`.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Final, Literal

from statek.agents.model import ModelCall
from statek.agents.replies import Code, Malformed, Meaning, Plain, Refusal, pack, read_reply
from statek.agents.requests import LostReply, ModelReply, ModelResult
from statek.conversation.models import Models, NoModel
from statek.core import turns
from statek.core.agents import AgentDefinition
from statek.core.decisions import Decision
from statek.core.endings import after_reply
from statek.core.events import Event, ReplyLost, TurnAnswered, TurnUsage
from statek.core.evolve import evolved, talk_of
from statek.core.jobs import Conversation, Job, digest
from statek.errors import StatekError
from statek.loop.tick import Tick
from statek.pools.fairness import Shares
from statek.pools.questions import Questions
from statek.store.errors import StoreError
from statek_protocol.errors import ProtocolError
from statek_protocol.messages.base import TEXT_LIMIT

if TYPE_CHECKING:
    from statek.loop.loop import Loop

log = logging.getLogger(__name__)

ASK_SECONDS: Final = 0.01
"""After so long no further prompt is put together in a turn of the loop."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A question under way: of which turn, in which attempt."""

    job: str
    turn: int
    attempt: int
    model: str

    def is_awaited(self, job: Job | None) -> bool:
        """Tell whether the job still waits for this very reply."""
        talk = None if job is None else job.conversation
        return talk is not None and talk.asking and (talk.turn, talk.attempts) == (self.turn, self.attempt)


class Conversing:
    """Jobs of agents between their batches."""

    def __init__(self, loop: Loop, shares: Shares) -> None:
        self._loop = loop
        self.models: Models | None = None
        """None in a scheduler that asks no models: jobs whose turn is due wait for one that does."""
        self._questions = Questions(shares)
        self._calls: dict[str, ModelCall] = {}
        self._arrived: list[tuple[Asked, ModelResult]] = []
        """Replies that no turn of the loop has taken yet."""
        self._replied: set[str] = set()
        """Jobs whose reply is there and waits for an executor: they are in the middle of something."""
        self._ends = False
        self.ask_seconds = ASK_SECONDS

    @property
    def asking(self) -> int:
        """Return for how many jobs a reply is awaited."""
        return len(self._questions)

    @property
    def replied(self) -> int:
        """Return how many jobs wait for an executor with the code of a reply."""
        return len(self._replied)

    @property
    def waiting(self) -> int:
        """Return how many jobs wait to have their model asked."""
        return self._questions.waiting

    # turns

    def follow(self, tick: Tick, before: Job | None, job: Job) -> None:
        """Take notice of what a decision means for the question of a job, once it is durable."""
        talk = job.conversation
        if talk is None:
            return
        if job.status != "READY":
            self._replied.discard(job.job)
        was = before.conversation if before is not None else None
        if was is not None and _question(was) == _question(talk):
            return
        if was is not None and was.asking:
            self._questions.over(job.job)
            call = self._calls.pop(job.job, None)
            if call is not None:
                tick.then(call.cancel)
        if talk.asking:
            tick.then(partial(self._wait, job.job))

    def take_up(self, tick: Tick, job: Job) -> None:
        """Ask anew for a reply that was awaited in a scheduler before this one."""
        self._loop.decide(tick, job.job, lambda job, lease: Decision(turns.asked_again(job), (), lease))

    def ask(self, tick: Tick, free: int) -> None:
        """Have so many models asked at most, for jobs whose turn it is; part of every turn."""
        if self.models is None or self._ends:
            return
        until = time.monotonic() + self.ask_seconds
        while free > 0 and (name := self._questions.next(self.models.most)) is not None:
            job = self._loop.job_in_hand(name)
            if job is not None and name not in self._questions:
                free -= self._ask(tick, self.models, job)
            if time.monotonic() > until:
                self._loop.do(_nothing)
                return

    def settle(self) -> None:
        """Begin no question any more: the scheduler ends, and takes the replies that come until then."""
        self._ends = True

    def take_last(self, tick: Tick) -> None:
        """Put on record what has arrived when the scheduler ends; the rest is asked for again by the next one."""
        while self._arrived:
            self._take_next(tick)

    def _wait(self, name: str) -> None:
        """Let a job wait for its turn to have its model asked."""
        job = self._loop.job_in_hand(name)
        if job is not None and job.conversation is not None and job.conversation.asking:
            begun = job.conversation.turn > 1 or job.batches > 0
            self._questions.wait(name, self._provider(job.conversation), job.agent, begun=begun)
            self._loop.do(_nothing)

    def _ask(self, tick: Tick, models: Models, job: Job) -> bool:
        """Ask the model of a job if its turn is still due, and tell whether a reply is awaited now."""
        talk, version = job.conversation, self._loop.roster.version(job, tick)
        if talk is None or version is None or not talk.asking or self._loop.calling.lacks_tools(tick, job):
            return False
        owner = self._loop.spending.outspent_by(tick, job)
        if owner is not None:
            self._loop.decide(tick, job.job, lambda job, lease: after_reply(job, lease, turns.outspent(job, owner)))
            return False
        try:
            request = models.prompting.request(job, version)
            if not request.model:
                raise NoModel(job.agent)
            asked = Asked(job.job, talk.turn, talk.attempts, request.model)
            self._calls[job.job] = models.asker.ask(talk.provider, request, partial(self._on_arrived, asked))
        except (StoreError, ProtocolError, LookupError, ValueError) as error:
            log.exception("the conversation of %s cannot be read", job.job, extra={"job": job.job, "agent": job.agent})
            self._fail(tick, job.job, "unreadable", f"the conversation cannot be read: {error}")
            return False
        except StatekError as error:
            self._fail(tick, job.job, "unanswerable", str(error))
            return False
        self._questions.begin(job.job, self._provider(talk), job.agent)
        return True

    def _provider(self, talk: Conversation) -> str:
        return talk.provider if self.models is None else self.models.provider(talk.provider)

    def _on_arrived(self, asked: Asked, result: ModelResult) -> None:
        self._arrived.append((asked, result))
        self._loop.do(self._take_next)

    def _take_next(self, tick: Tick) -> None:
        if not self._arrived:
            return  # `take_last` was there first
        asked, result = self._arrived.pop(0)
        job = self._loop.job_in_turn(tick, asked.job)
        if not asked.is_awaited(job):
            return
        assert job is not None
        if isinstance(result, ModelReply):
            self._answered(tick, job, asked, result)
        elif result.kind != "cancelled":  # by nobody but the end of this scheduler, while the reply is awaited
            self._fail(tick, asked.job, result.kind, result.message, self._lost(asked, result))

    def _answered(self, tick: Tick, job: Job, asked: Asked, reply: ModelReply) -> None:
        """Put a reply on record, with what it brings."""
        version = self._loop.roster.version(job, tick)
        assert version is not None, "a job of an agent has a version of it"
        meaning = read_reply(reply.turn, reply.finish_reason, reply.refusal)
        said = pack(reply.turn)
        sources = _sources(meaning)
        tick.blobs.update({digest(data): data for data in (said, *sources)})
        usage = replace(self._usage(asked, reply), estimated=reply.usage_estimated, seconds=reply.seconds)
        outcome, remark = _OUTCOMES[type(meaning)], _remark(meaning)
        answer = TurnAnswered(asked.turn, digest(said), outcome, usage, reply.model, remark)
        last_words = meaning.text if isinstance(meaning, Plain) else ""
        lost = self._lost(asked, reply)
        decide = partial(_replied, lost=lost, answer=answer, sources=sources, last_words=last_words, version=version)
        self._loop.calling.renew(tick, job)
        after = self._loop.decide(tick, asked.job, lambda job, lease: after_reply(job, lease, decide(job)))
        if after is not None and after.status == "READY":
            self._replied.add(asked.job)

    def _usage(self, asked: Asked, reply: ModelReply | LostReply) -> TurnUsage:
        assert self.models is not None
        cost_micros = self.models.cost_micros(asked.model, reply)
        return TurnUsage(reply.input_tokens, reply.cached_tokens, reply.output_tokens, cost_micros)

    def _lost(self, asked: Asked, result: ModelResult) -> tuple[ReplyLost, ...]:
        """Return the attempts at a turn that came to nothing, and that its provider counted all the same."""
        return tuple(ReplyLost(asked.turn, self._usage(asked, lost), lost.model) for lost in result.lost)

    def _fail(self, tick: Tick, name: str, cause: str, detail: str, lost: tuple[ReplyLost, ...] = ()) -> None:
        def decide(job: Job) -> tuple[Event, ...]:
            return (*lost, *turns.failed(talk_of(job).turn, cause, detail))

        self._loop.decide(tick, name, lambda job, lease: after_reply(job, lease, decide(job)))


_OUTCOMES: Final[dict[type, Literal["code", "plain", "malformed", "refusal"]]] = {
    Code: "code",
    Plain: "plain",
    Malformed: "malformed",
    Refusal: "refusal",
}


def _replied(
    job: Job,
    *,
    lost: tuple[ReplyLost, ...],
    answer: TurnAnswered,
    sources: tuple[bytes, ...],
    last_words: str,
    version: AgentDefinition,
) -> tuple[Event, ...]:
    plain_ends = version.plain_reply == "ends"
    return (*lost, *turns.answered(evolved(job, lost), answer, sources, last_words, plain_ends=plain_ends))


def _sources(meaning: Meaning) -> tuple[bytes, ...]:
    if not isinstance(meaning, Code):
        return ()
    return tuple(block.source.encode("utf-8", "surrogatepass") for block in meaning.blocks)


def _remark(meaning: Meaning) -> str:
    match meaning:
        case Malformed(reason):
            return reason[:TEXT_LIMIT]
        case Refusal(text):
            return text[:TEXT_LIMIT]
    return ""


def _question(talk: Conversation) -> tuple[bool, int, int]:
    return talk.asking, talk.turn, talk.attempts


def _nothing(_: Tick) -> None:
    """Have a turn."""
