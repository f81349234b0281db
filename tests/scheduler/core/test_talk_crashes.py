"""A kill at every point of a conversation leaves it as it would have been without one."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from core_programs import Ask, Begin, Look, Program, Say, Tell, Use
from core_talks import Talk

from statek.core.events import (
    BatchEnded,
    BatchSkipped,
    BatchSubmitted,
    ConsolePrinted,
    Event,
    JobEnded,
    JobRevived,
    MessagePushed,
    TurnAnswered,
)

WARM_UP = Program(((Say(b"warm\n"), Ask("t")), (Tell(),)))
REPLIES: tuple[tuple[Program, ...], ...] = (
    (Program(((Ask("search", b"x"), Tell()), (Begin("x"),)), frozenset({1})), Program(((Use(0), Tell()),))),
    (Program(((Look(), Say(b"no\n")),), outcome="error"), Program(((Say(b"never\n"),),))),
    (Program(((Tell(),),), exit_status="done"),),
)
MESSAGE_AFTER = 1
"""The turn during which somebody says something."""


def course(talk: Talk) -> Iterator[None]:
    """Go through the conversation one thing after another; a kill can come between any two of them."""
    talk.start(WARM_UP)
    yield
    said = False
    while talk.job.status != "DONE":
        if talk.waits is not None:
            turn = talk.waits.turn
            if turn == MESSAGE_AFTER and not said:
                said = True
                talk.push(b"and then?")
            else:
                talk.reply(*REPLIES[turn - 1])
        else:
            assert talk.go_on(1), "it goes on"
        yield


def told(talk: Talk) -> list[tuple[object, ...]]:
    """What a job's record says of what happened in it, without who was killed meanwhile."""
    batches = [event.batch for event in talk.of(BatchSubmitted)]
    return [
        *[(batch, talk.console(batch)) for batch in batches],
        *[(event.batch, event.outcome, event.exit_status) for event in talk.of(BatchEnded)],
        *[(event.batch,) for event in talk.of(BatchSkipped)],
        *[(event.turn, event.outcome, event.usage) for event in talk.of(TurnAnswered)],
        *[(event.number, event.text, event.console_lines) for event in talk.of(MessagePushed)],
        *[(event.outcome, event.exit_status) for event in talk.of(JobEnded)],
        (len(talk.of(JobRevived)), talk.talk.turn, talk.talk.exceptions, talk.talk.input_tokens),
    ]


def without_a_kill() -> Talk:
    talk = Talk()
    for _ in course(talk):
        pass
    return talk


UNHARMED = without_a_kill()
POINTS = sum(1 for _ in course(Talk()))
KILLS: dict[str, Callable[[Talk], None]] = {
    "the scheduler": Talk.scheduler_restarts,
    "the executor": lambda talk: talk.executor_falls_silent() if talk.lease is not None else None,
}


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS)
def test_a_kill_at_any_point_changes_nothing_of_what_is_told(kill: Callable[[Talk], None]) -> None:
    assert POINTS > 20
    for point in range(POINTS):
        talk = Talk()
        for step, _ in enumerate(course(talk)):
            if step == point:
                kill(talk)
        talk.check_ended()
        assert told(talk) == told(UNHARMED), f"killed at point {point}"


def test_two_kills_of_the_scheduler_change_nothing_either() -> None:
    for first in range(0, POINTS, 2):
        talk = Talk()
        for step, _ in enumerate(course(talk)):
            if step in (first, first + 1):
                talk.scheduler_restarts()
        assert told(talk) == told(UNHARMED), f"killed at points {first} and {first + 1}"


def test_the_record_up_to_any_event_of_a_decision_is_whole_or_not_there() -> None:
    """A decision is one transaction: where it begins and ends, nothing is in between."""
    talk = Talk()
    seen: list[Event] = []
    for _ in course(talk):
        new = talk.events[len(seen) :]
        answered = [event for event in new if isinstance(event, TurnAnswered)]
        submitted = [event for event in new if isinstance(event, BatchSubmitted) and event.role == "reply"]
        assert not answered or len(submitted) == len(REPLIES[answered[0].turn - 1])
        ends = [event for event in new if isinstance(event, BatchEnded)]
        if ends and not talk.job.pending and talk.job.running is None:
            assert talk.talk.asking or talk.job.status == "DONE"
        seen = list(talk.events)
    assert [event.data for event in seen if isinstance(event, ConsolePrinted)]
