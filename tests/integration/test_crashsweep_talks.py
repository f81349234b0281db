"""scripts/crashsweep's judge of conversations does not let pass what must not be."""

from __future__ import annotations

import itertools
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from crashsweep.commits import Commits
from crashsweep.halting import Gate
from crashsweep.talks.author import Author
from crashsweep.talks.errands import Errand, Lines
from crashsweep.talks.judging import Case, judge
from crashsweep.talks.record import Record
from crashsweep.talks.tale import FAMILY, Tale, Unforeseen, tale
from scripted_model import ChatRequest, completions

from statek.agents.excerpts import excerpt
from statek.agents.prompts import Budget, compose
from statek.agents.transcript import Entry, Instructions, ModelTurn, Observation, UserMessage, WarmupShown
from statek.core import events
from statek.core.agents import Harness
from statek.core.evolve import evolve
from statek.inspection.chat_log import LLM_LogItem, UserLogItem

NOTE = "note 0/0"


def plain_tale() -> Tale:
    """A tale with effects in its code, and with nothing from outside but a message."""
    for number in itertools.count(FAMILY, FAMILY):
        found = tale(number)
        waits = found.approvals or found.children
        if found.effects and len(found.notes) == 1 and not waits and found.cancelled_in is None:
            return found
    raise AssertionError("there is one")


class Life:
    """A conversation in which nothing goes wrong, as its ledger and its model have it."""

    def __init__(self) -> None:
        self.tale = plain_tale()
        created = events.JobCreated("job", "default", "", agent=self.tale.agent, harness=Harness(), model="m")
        self.record = Record(evolve(None, created))
        self.author = Author(lambda _: None)
        self.entries: list[Entry] = [Instructions("You tell tales.")]
        self._batch = 0
        self._run("warmup", self.tale.beginning, "ok")
        self.entries.append(WarmupShown("", excerpt(self.tale.beginning.encode(), 10_000)))
        for number in range(len(self.tale.turns)):
            if number == 1:
                self._hear(self.tale.notes[0].text)
            self._turn(number)
        self._take(events.JobEnded("ok", exit_status=self.tale.ending(Unforeseen())))

    def case(self) -> Case:
        traces = Counter(dict.fromkeys(self.tale.effects, 1))
        asked = self.author.asked(self.tale.number)
        replies = [
            LLM_LogItem(0, 0, turn.number + 1, "m", "", outcome="code", text=f"Turn {turn.number}. And more.")
            for turn in self.tale.turns
        ]
        heard = [UserLogItem(0, 0, 1, note.text, "main") for note in self.tale.notes]
        return Case(self.tale, self.record, asked, self.tale.notes, traces, {}, [*replies, *heard])

    def _take(self, *happened: events.Event) -> None:
        for event in happened:
            self.record.take(event)
            self.record.job = evolve(self.record.job, event)

    def _hear(self, text: str) -> None:
        self._take(events.MessagePushed(1, text.encode(), "main"))
        self.entries.append(UserMessage(text, "main"))

    def _turn(self, number: int) -> None:
        self._take(events.TurnRequested(number + 1, "m", ""))
        style = "tool" if self.tale.agent == "caller" else "fenced"
        prompt = compose(self.entries, style=style, preamble="", budget=Budget(1_000_000))
        request = ChatRequest("m", prompt.messages, prompt.tools)
        reply = completions.whole(request, self.author(request), 0)
        self.author.on_said(request)
        used = reply["usage"]
        usage = events.TurnUsage(used["prompt_tokens"], 0, used["completion_tokens"], 1)
        turn = self.tale.turns[number]
        self._take(events.TurnAnswered(number + 1, "", "code" if turn.runs else "plain", usage))
        sources = self.tale.sources(number)
        blocks = "\n\n".join(f"```python\n{source}\n```" for source in sources)
        self.entries.append(ModelTurn(f"Turn {number}.\n\n{blocks}"))
        if turn.runs:
            console = turn.console(Unforeseen())
            self._run("reply", console, self.tale.outcome(number))
            self.entries.append(Observation(excerpt(console.encode(), 10_000), "ok", ""))

    def _run(self, role: str, console: str, outcome: str) -> None:
        self._batch += 1
        number, epoch = self._batch, self._batch
        submitted = events.BatchSubmitted(number, f"{role}-{number}", "", number, "", role)  # type: ignore[arg-type]
        self._take(
            submitted,
            events.LeaseGranted(f"job.{epoch}", epoch, "executor", "host"),
            events.BatchStarted(number, 0, 0),
            *([events.ConsolePrinted(number, "output", console.encode())] if console else []),
            events.BatchEnded(number, outcome, None, None),  # type: ignore[arg-type]
            events.LeaseEnded(f"job.{epoch}", epoch, "its batch ended", blamed=False),
        )


def effect_of(case: Case) -> int:
    return min(case.tale.effects)


def last(case: Case) -> ChatRequest:
    return case.asked[-1].request


def said_otherwise(case: Case, change: Callable[[str], str]) -> None:
    """Have the model been told something else in its last request."""
    messages = [{**message, "content": change(message["content"] or "")} for message in last(case).messages]
    case.asked[-1].request = replace(last(case), messages=tuple(messages))


def double_effect(case: Case) -> None:
    case.traces[effect_of(case)] = 2


def lose_effect(case: Case) -> None:
    del case.traces[effect_of(case)]


def print_twice(case: Case) -> None:
    batch = case.record.batches[-1]
    batch.console *= 2
    batch.console += b"more\n"


def give_again(case: Case) -> None:
    case.asked = [*case.asked, case.asked[-1]]


def keep_from_record(case: Case) -> None:
    del case.record.replies[-1]


def lose_message(case: Case) -> None:
    case.record.messages.clear()


def tell_twice(case: Case) -> None:
    said_otherwise(case, lambda text: text.replace(case.notes[0].text, case.notes[0].text * 2))


def never_tell(case: Case) -> None:
    said_otherwise(case, lambda text: text.replace(case.notes[0].text, ""))


def tell_another_beginning(case: Case) -> None:
    said_otherwise(case, lambda text: text.replace("You tell tales.", "You tell lies."))


def end_otherwise(case: Case) -> None:
    case.record.job = replace(case.record.job, exit_status="something else")


def run_twice(case: Case) -> None:
    case.record.batches[-1].outcomes.append("ok")


def count_otherwise(case: Case) -> None:
    assert case.record.job.conversation is not None
    case.record.job = replace(case.record.job, conversation=replace(case.record.job.conversation, input_tokens=1))


def pay_otherwise(case: Case) -> None:
    case.asked[-1].output_tokens += 1


def show_less(case: Case) -> None:
    case.chat = case.chat[1:]


def cancel_by_itself(case: Case) -> None:
    case.record.job = replace(case.record.job, outcome="cancelled")


def test_a_conversation_in_which_all_went_well_is_let_pass() -> None:
    assert judge(Life().case()).problems == []


@pytest.mark.parametrize(
    ("harm", "problem"),
    [
        (double_effect, "had an effect 2 times"),
        (lose_effect, "had no effect"),
        (print_twice, "printed"),
        (give_again, "was given 2 times and asked for 1"),
        (keep_from_record, "that is not on record"),
        (lose_message, "is on record 0 times"),
        (tell_twice, "was told 'note"),
        (never_tell, "was never told"),
        (tell_another_beginning, "in its place"),
        (end_otherwise, "it ended with 'something else'"),
        (run_twice, "ended 2 times"),
        (count_otherwise, "it has counted"),
        (pay_otherwise, "which the model has not said"),
        (show_less, "chat_log shows"),
        (cancel_by_itself, "it ended cancelled"),
    ],
)
def test_what_must_not_be_in_a_conversation_is_a_problem(harm: Callable[[Case], None], problem: str) -> None:
    case = Life().case()
    harm(case)
    assert problem in "\n".join(judge(case).problems)


def test_errands_are_read_on_where_they_were_left_and_only_whole_lines(tmp_path: Path) -> None:
    writer, reader = Lines(tmp_path / "errands"), Lines(tmp_path / "errands")
    assert list(reader.news()) == []
    writer.append(Errand(1, "event", "teller", "key", {"tale": 1}))
    assert [Errand(**line) for line in reader.news()] == [Errand(1, "event", "teller", "key", {"tale": 1})]
    with (tmp_path / "errands").open("ab") as file:
        file.write(b'{"number": 2')
    assert list(reader.news()) == []


def test_a_scheduler_stands_still_at_a_commit_until_it_may_go_on(short_path: Path) -> None:
    may_go_on, met = threading.Event(), threading.Semaphore(0)

    def on_commit(*_: object) -> None:
        met.release()
        assert may_go_on.wait(20)

    commits = Commits(short_path / "commits", on_commit)
    commits.start()
    passed = threading.Event()

    def go() -> None:
        gate = Gate(str(short_path / "commits"))
        gate.pass_through("before", ["turn_answered"])
        gate.close()
        passed.set()

    thread = threading.Thread(target=go)
    thread.start()
    assert met.acquire(timeout=20)
    assert not passed.is_set()
    may_go_on.set()
    thread.join(20)
    assert passed.is_set()
    commits.stop()
