"""What a conversation is held against: its tale, its ledger, what its model was asked, and the traces outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from crashsweep.talks import prompts
from crashsweep.talks.author import Asked
from crashsweep.talks.record import Record, Reply
from crashsweep.talks.tale import WAKERS, Note, Tale, Unforeseen
from crashsweep.verdict import Verdict
from statek.core.jobs import ATTEMPTS_LIMIT
from statek.inspection.chat_log import ChatItem, LLM_LogItem, SubTaskLogItem, UserLogItem


@dataclass
class Case:
    """A conversation that has ended, and what is known of it."""

    tale: Tale
    record: Record
    asked: Sequence[Asked]
    notes: Sequence[Note]
    """Those that were pushed and acknowledged."""
    traces: Counter[int]
    """The effects that were seen outside, by step."""
    children: Mapping[int, Record]
    """By tale."""
    chat: Sequence[ChatItem] = ()
    """What the job's `chat_log` shows."""
    cancelled: bool = False
    """Somebody wanted it, or the job that it works for, to be cancelled."""
    unforeseen: Unforeseen = field(default_factory=Unforeseen)


def judge(case: Case) -> Verdict:
    """Judge a conversation."""
    case.unforeseen = _unforeseen(case)
    verdict = Verdict(f"conversation {case.record.job.outcome}", seen=_seen(case))
    verdict.problems += [
        *_ends(case),
        *_consoles(case),
        *_effects(case),
        *_messages(case),
        *_children(case),
        *_usage(case),
        *_chat(case),
        *prompts.problems(case.tale, case.record, case.asked, case.notes),
    ]
    return verdict


def _unforeseen(case: Case) -> Unforeseen:
    """Find in the console what only that can tell."""
    waits = {act.number: str(act.number * 7 + 1) for act in case.tale.acts if act.kind == "wait"}
    waits |= {act.number: str(act.value + 1) for act in case.tale.approvals}
    unknown, other, children = set(), {}, {}
    for line in _lines(case.record.replies):
        match line.split(" ", 2):
            case [_, number, "unknown"]:
                unknown.add(int(number))
            case ["approved" | "waited", number, result] if waits.get(int(number)) != result:
                other[int(number)] = result
            case ["child", number, result]:
                children[int(number)] = result
    return Unforeseen(frozenset(unknown), other, children)


def _lines(replies: Sequence[Reply]) -> list[str]:
    return [line for reply in replies for line in reply.console.splitlines()]


def _is_exact(case: Case) -> bool:
    """Tell whether everything ran to its end, so that it must have come to what the tale says."""
    record = case.record
    whole = all(_is_whole(case, number, reply) for number, reply in enumerate(record.replies))
    return whole and all(batch.outcomes == ["ok"] for batch in record.warmup)


def _is_whole(case: Case, number: int, reply: Reply) -> bool:
    expected = case.tale.outcome(number)
    return all(batch.outcomes == [expected] for batch in reply.batches)


def _ends(case: Case) -> Iterator[str]:
    """Say what is wrong with how the job and its batches ended."""
    job, tale = case.record.job, case.tale
    died = any(batch.deaths >= ATTEMPTS_LIMIT for batch in case.record.batches)
    if job.status != "DONE":
        yield f"it is {job.status}"
    elif job.outcome == "ok":
        if _is_exact(case) and job.exit_status != tale.ending(case.unforeseen):
            yield f"it ended with {job.exit_status!r} instead of {tale.ending(case.unforeseen)!r}"
        if len(case.record.replies) < len(tale.turns):
            yield f"it ended ok after {len(case.record.replies)} replies of {len(tale.turns)}"
    elif not (job.outcome == "cancelled" and case.cancelled) and not (job.outcome == "failed" and died):
        yield f"it ended {job.outcome} with {job.error or job.limit}"
    extra = len(case.record.replies) - len(tale.turns)
    if extra > len(case.record.messages):
        yield f"the model was asked {extra} times after its last turn, for {len(case.record.messages)} messages"
    for batch in case.record.batches:
        if len(batch.outcomes) != 1:
            yield f"batch {batch.submitted.batch} ended {len(batch.outcomes)} times"
        odd = set(batch.outcomes) - {"ok", "error", "skipped", "cancelled", "failed"}
        excused = "failed" not in batch.outcomes or batch.deaths >= ATTEMPTS_LIMIT
        if odd or not excused:
            yield f"batch {batch.submitted.batch} ended {batch.outcomes} after {batch.deaths} deaths: {batch.errors}"
        if "cancelled" in batch.outcomes and not case.cancelled:
            yield f"batch {batch.submitted.batch} was cancelled by nobody"


def _consoles(case: Case) -> Iterator[str]:
    """Say what is wrong with what was printed."""
    if any(batch.outcomes != ["ok"] for batch in case.record.warmup):
        return  # without it no later code can be right, and nobody promised that
    printed = "".join(batch.console.decode() for batch in case.record.warmup)
    if printed != case.tale.beginning:
        yield f"the warm-up printed {printed!r} instead of {case.tale.beginning!r}"
    exact = _is_exact(case)
    for number, reply in enumerate(case.record.replies):
        expected = case.tale.console(number, case.unforeseen)
        names = [batch.submitted.name for batch in reply.batches]
        if len(set(names)) != len(names):
            yield f"the code of reply {number} was submitted twice: {names}"
        if not _is_whole(case, number, reply):
            if not expected.startswith(reply.console):
                yield f"reply {number} printed {reply.console!r}, which does not begin {expected!r}"
        elif reply.console != expected and (exact or number < len(case.tale.turns)):
            yield f"reply {number} printed {reply.console!r} instead of {expected!r}"
    woken = case.tale.agent in WAKERS and case.record.messages
    for step, result in case.unforeseen.waits.items():
        if not (woken and result == "WaitCancelled"):
            yield f"the wait of step {step} came to {result!r}"


def _effects(case: Case) -> Iterator[str]:
    """Say what did not happen once."""
    traces, unknown = case.traces, case.unforeseen.unknown
    yield from (f"step {step} had an effect {count} times" for step, count in traces.items() if count > 1)
    yield from (f"step {step} had an effect and has none" for step in traces.keys() - case.tale.effects)
    yield from (f"step {step} is unknown, though it may be repeated" for step in unknown - case.tale.effects)
    done = [turn for turn in case.tale.turns if turn.runs and _ran(case, turn.number)]
    wanted = {act.number for turn in done for act in turn.acts if act.has_effect}
    yield from (f"step {step} had no effect" for step in sorted(wanted - unknown - traces.keys()))
    told = sum(batch.unknown for batch in case.record.batches)
    if _is_exact(case) and told != len(unknown):
        yield f"{told} outcomes are unknown by the ledger, {len(unknown)} by the guest"


def _ran(case: Case, number: int) -> bool:
    replies = case.record.replies
    return number < len(replies) and _is_whole(case, number, replies[number])


def _messages(case: Case) -> Iterator[str]:
    """Say which messages are not on record once."""
    for note in case.notes:
        if (count := case.record.texts.count(note.text)) != 1:
            yield f"the message {note.text!r} is on record {count} times"


def _children(case: Case) -> Iterator[str]:
    """Say what a parent was told wrong of its children."""
    woken = case.tale.agent in WAKERS and case.record.messages
    for number, told in case.unforeseen.children.items():
        child = case.children.get(number)
        if child is None:
            yield f"it was told of the child {number}, which there is not"
        elif told not in _told_of(child) and not (woken and told == "WaitCancelled"):
            yield f"it was told {told!r} of the child {number}, which came to {_told_of(child)}"


def _told_of(child: Record) -> Collection[str]:
    """Return what a parent may be told of its child: one for each time that it ended."""
    words = {"cancelled": "JobCancelled", "ok": ""}
    return {
        str(end.exit_status) if end.outcome == "ok" else words.get(end.outcome, "SubTaskFailed") for end in child.ends
    }


_OUTCOMES: Final = {"ok": "None", "cancelled": "JobCancelled"}
"""What a parent is told of a child that ended without a word."""


def _usage(case: Case) -> Iterator[str]:
    """Say what does not add up of what the model used."""
    talk = case.record.job.conversation
    assert talk is not None, "it is a job of an agent"
    used = [reply.answer.usage for reply in case.record.replies]
    sums = (
        sum(one.input_tokens for one in used),
        sum(one.cached_tokens for one in used),
        sum(one.output_tokens for one in used),
        sum(one.cost_micros or 0 for one in used),
    )
    counted = (talk.input_tokens, talk.cached_tokens, talk.output_tokens, talk.cost_micros)
    if sums != counted:
        yield f"its replies used {sums}, and it has counted {counted}"
    if talk.unpriced:
        yield f"{talk.unpriced} replies have no price"


def _chat(case: Case) -> Iterator[str]:
    """Say what `chat_log` shows otherwise than it was said."""
    said = [item.text for item in case.chat if isinstance(item, LLM_LogItem) and item.outcome in _ANSWERED]
    if len(said) != len(case.record.replies):
        yield f"chat_log shows {len(said)} replies, of {len(case.record.replies)} on record"
    for number, text in enumerate(said):
        words = case.tale.answer(number).text
        if not text.startswith(words):
            yield f"chat_log shows {text!r} as reply {number}, which begins with {words!r}"
    told = [item.text for item in case.chat if isinstance(item, UserLogItem)]
    if told != case.record.texts:
        yield f"chat_log shows the messages {told}, on record are {case.record.texts}"
    children = {item.job for item in case.chat if isinstance(item, SubTaskLogItem)}
    if not children <= {child.job.job for child in case.children.values()}:
        yield f"chat_log shows the subtasks {children}, of which some are none"


_ANSWERED: Final = ("code", "plain", "malformed", "refusal")


def _seen(case: Case) -> Counter[str]:
    record = case.record
    again = sum(reply.requested - 1 for reply in record.replies)
    said = sum(one.said for one in case.asked)
    return Counter(
        {
            "turns answered": len(record.replies),
            "turns asked for again, because the scheduler died": again,
            "whole replies that no scheduler had on record": said - len(record.replies),
            "requests to the model": len(case.asked),
            "messages, each read once": len(case.notes),
            "lives after an end": record.counts["job_revived"],
            "subtasks": len(case.children),
            "replays (a batch began again)": sum(max(0, batch.starts - 1) for batch in record.batches),
            "waits": record.counts["job_suspended"],
            "effects whose outcome is unknown, and told": len(case.unforeseen.unknown),
            "deaths of interpreters that jobs were blamed for": sum(batch.deaths for batch in record.batches),
            "batches given up": sum("failed" in batch.outcomes for batch in record.batches),
        }
    )
