"""What the events of a conversation with a model change in dbzero's objects: turns, messages, ends and revivals.

As in `projection`, which calls this, the rules are those of `core.evolve`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeVar

from statek.agents.transcript import ModelTurn
from statek.core import events
from statek.core.jobs import total
from statek.errors import BugInScheduler
from statek.store.chat_items import JobError, LLM_LogItem, ReachedLimit, SteeringLogItem, UserLogItem
from statek.store.objects import Agent, Job, ModelUsage, Root, set_status
from statek.store.texts import to_bytes
from statek_protocol.messages.interpreter import GuestError, LimitBreach

T = TypeVar("T")

WARMUP: Final = ("warmup", "hidden")
"""The roles of a warm-up's batches."""
AT_WORK: Final = {"code": "STARTED", "reply": "STARTED", "warmup": "WARMING_UP", "hidden": "WARMING_UP"}
"""The status of a job whose batch of that role is in hand."""


def error_of(error: GuestError | None) -> JobError | None:
    """Make an object of an error."""
    return None if error is None else JobError(to_bytes(error.type), to_bytes(error.message), error.line)


def limit_of(limit: LimitBreach | None, progress: events.Progress | None = None) -> ReachedLimit | None:
    """Make an object of a limit that was reached, and of what had been done by then."""
    if limit is None:
        return None
    reached = ReachedLimit(to_bytes(limit.name), limit.allowed, limit.used)
    if progress is not None:
        reached.printed_bytes, reached.printed_lines = progress.printed_bytes, progress.printed_lines
        reached.calls, reached.instruction = progress.calls, progress.instruction
        reached.calls_by_name = {to_bytes(name): count for name, count in progress.calls_by_name.items()}
    return reached


def answered(event: events.TurnAnswered, job: Job, at_us: int, reply: ModelTurn) -> None:
    """Show what the model said, and what that used."""
    item, used = _turn(job, event.turn), event.usage
    item.outcome, item.answered_us = event.outcome, at_us
    item.reply, item.text_utf8 = event.reply, to_bytes(reply.text)
    item.remark_utf8 = to_bytes(event.remark)
    item.calls_utf8 = [to_bytes(call.arguments) for call in reply.calls]
    item.input_tokens, item.cached_tokens, item.output_tokens = (
        used.input_tokens,
        used.cached_tokens,
        used.output_tokens,
    )
    item.cost_micros, item.estimated, item.seconds = used.cost_micros, used.estimated, used.seconds
    if event.model:
        item.model_utf8 = to_bytes(event.model)
    _count(job.usage, used)
    job.asking = False
    if event.outcome in ("malformed", "refusal"):
        job.num_exceptions += 1


def apply_to_agent(event: events.TurnRequested | events.TurnAnswered | events.ReplyLost, agent: Agent | None) -> None:
    """Show in the agent what its jobs ask and use."""
    if agent is None:
        return
    if isinstance(event, events.TurnRequested):
        agent.model_utf8, agent.provider_utf8 = to_bytes(event.model), to_bytes(event.provider)
    else:
        _count(agent, event.usage)


def forget_of_agent(root: Root, job: Job) -> None:
    """Take a forgotten job out of its agent's figures, and the agent with its last job."""
    agent, used = root.agents[job.agent_utf8], job.usage
    agent.jobs -= 1
    agent.input_tokens -= used.input_tokens
    agent.cached_tokens -= used.cached_tokens
    agent.output_tokens -= used.output_tokens
    agent.cost_micros -= used.cost_micros
    agent.unpriced -= used.unpriced
    if not agent.jobs:
        del root.agents[job.agent_utf8]


def _count(counters: ModelUsage, used: events.TurnUsage) -> None:
    counters.input_tokens = total(counters.input_tokens, used.input_tokens)
    counters.cached_tokens = total(counters.cached_tokens, used.cached_tokens)
    counters.output_tokens = total(counters.output_tokens, used.output_tokens)
    counters.cost_micros = total(counters.cost_micros, used.cost_micros or 0)
    counters.unpriced += used.cost_micros is None


def _requested(event: events.TurnRequested, job: Job, at_us: int) -> None:
    set_status(job, "STARTED")
    job.outcome, job.asking = None, True
    if event.attempt:
        _turn(job, event.turn).attempts = event.attempt + 1
        return
    job.num_turns = event.turn
    job.chat_log.append(LLM_LogItem(event.turn, to_bytes(event.model), to_bytes(event.provider), at_us))


def _lost(event: events.ReplyLost, job: Job, at_us: int) -> None:
    _count(job.usage, event.usage)


def _subtask_spent(event: events.SubtaskSpent, job: Job, at_us: int) -> None:
    """What a subtask used is shown in the subtask."""


def _failed(event: events.TurnFailed, job: Job, at_us: int) -> None:
    item = _turn(job, event.turn)
    item.outcome, item.answered_us = "failed", at_us
    item.error = JobError(to_bytes(event.cause), to_bytes(event.detail), None)
    job.asking = False


def _pushed(event: events.MessagePushed, job: Job, at_us: int) -> None:
    job.chat_log.append(UserLogItem(event.number, event.text, to_bytes(event.source), at_us))
    pushed = job.py_env.pushed
    if event.console_lines in pushed:
        pushed[event.console_lines].append(event.text)
    else:
        pushed[event.console_lines] = [event.text]


def _reached(event: events.HarnessReached, job: Job, at_us: int) -> None:
    job.chat_log.append(SteeringLogItem("harness", to_bytes(str(event.limit)), at_us))


def _cancelled(event: events.JobCancelled, job: Job, at_us: int) -> None:
    if job.asking:
        _turn(job, job.num_turns).outcome = "cancelled"
        job.asking = False
    job.held = None
    job.chat_log.append(SteeringLogItem("cancelled", to_bytes(event.reason), at_us))


def _revived(event: events.JobRevived, job: Job, at_us: int) -> None:
    set_status(job, "STARTED")
    job.outcome = None
    job.exit_status_utf8 = job.error = job.limit = None
    job.num_completions += job.conversing
    job.chat_log.append(SteeringLogItem("revived", to_bytes(event.reason), at_us))


RULES: Final[tuple[Callable[..., None], ...]] = (
    *(_requested, _lost, _subtask_spent, _failed, _pushed, _reached, _cancelled, _revived),
)
"""One for each kind of event, told apart by their annotations."""


def newest_first(log: list[T]) -> Iterator[T]:
    """Go through a log of dbzero's from its end, where most of what is looked for is."""
    return (log[position] for position in range(len(log) - 1, -1, -1))


def _turn(job: Job, turn: int) -> LLM_LogItem:
    for item in newest_first(job.chat_log):
        if isinstance(item, LLM_LogItem) and item.turn == turn:
            return item
    raise BugInScheduler(f"turn {turn} was never requested")
