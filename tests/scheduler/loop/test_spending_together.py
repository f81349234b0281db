"""What a job and its subtasks may spend together: counted as they spend it, and held against it before each turn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from talk_stand import AGENT, UNBOUNDED, Question, TalkStand, talk_stand

from statek.agents.requests import LostReply
from statek.core.agents import Harness
from statek.core.events import SubtaskSpent
from statek.core.harness import standing
from statek.core.jobs import Conversation
from statek.loop.queueing import NewItem
from statek_protocol.messages.interpreter import LimitBreach

TOGETHER = replace(AGENT, harness=replace(UNBOUNDED.harness, max_tree_tokens=500))
"""A reply of the stand's model has 120 tokens."""


@pytest.fixture
def here(tmp_path: Path) -> Iterator[TalkStand]:
    with talk_stand(tmp_path / "ledger") as made:
        yield made


def talk_of(here: TalkStand, job: str) -> Conversation:
    talk = here.base.job(job).conversation
    assert talk is not None
    return talk


def think(here: TalkStand, question: Question) -> None:
    """Reply with what the model is asked to say again."""
    question.reply("", finish_reason="length")
    here.base.turn()


def family(here: TalkStand) -> tuple[str, str, str]:
    """A job with a bound, one that works for it, and one that works for that one; the model is asked in each."""
    parent = here.start(definition=TOGETHER)
    child = here.start(definition=UNBOUNDED, parent=parent)
    return parent, child, here.start(definition=UNBOUNDED, parent=child)


def test_what_subtasks_use_is_counted_by_the_job_whose_bound_holds_for_all(here: TalkStand) -> None:
    parent, child, grandchild = family(here)
    lost = LostReply("small-1", 10, 0, 1, 7)
    here.asked[2].reply("", finish_reason="length", lost=(lost,))
    here.base.turn()
    think(here, here.asked[1])
    talk = talk_of(here, parent)
    assert (talk.input_tokens, talk.tree_tokens, talk.tree_cost_micros) == (0, 251, 6_007)
    assert [event.job for event in here.of(parent, SubtaskSpent)] == [grandchild, grandchild, child]
    assert not here.of(child, SubtaskSpent), "it has no such bound"
    [bound] = standing(talk)
    assert (bound.name, bound.allowed, bound.used) == ("max_tree_token_usage", 500, 251)


def test_a_job_at_the_common_bound_says_whose_it_is_and_takes_no_message(here: TalkStand) -> None:
    parent, _, grandchild = family(here)
    for _ in range(5):
        think(here, here.question)
    ended = here.base.job(grandchild)
    assert (ended.outcome, ended.limit) == ("limit", LimitBreach("max_tree_token_usage", 500, 600))
    assert len(here.asked) == 3 + 4, "with 480 of 500 there is room for one more"
    notices = "".join(event.data.decode() for event in here.base.events(grandchild) if event.kind == "console_printed")
    assert f"of the job {parent} and its subtasks together" in notices
    assert not here.push(grandchild, "go on")
    assert here.retry(grandchild) == "retried"
    assert here.base.job(grandchild).outcome == "limit", "it is not its own bound that could be granted"
    think(here, here.asked[0])
    assert here.base.job(parent).outcome == "limit"
    assert here.retry(parent) == "retried"
    assert talk_of(here, parent).asking, "the bound is granted once more, for all of them"
    assert here.retry(grandchild) == "retried"
    assert talk_of(here, grandchild).asking


def test_a_message_for_a_job_at_the_common_bound_stays_in_its_queue(here: TalkStand) -> None:
    parent, _, grandchild = family(here)
    for _ in range(5):
        think(here, here.question)
    loop = here.base.loop
    loop.do(lambda tick: [loop.queueing.push(tick, NewItem("main", grandchild, None, b"go on"))].clear())
    loop.delivering.begin(None, [])
    here.base.turn()
    [letter] = here.base.ledger.dead_letters("main")
    assert f"{parent!r} and its subtasks have spent" in (letter.dead_reason or "")


def test_a_common_cost_that_cannot_be_known_ends_whoever_would_add_to_it(here: TalkStand) -> None:
    bounded = replace(AGENT, harness=Harness(max_tree_cost_micros=1_000_000))
    parent = here.start(definition=bounded)
    child = here.start(definition=UNBOUNDED, parent=parent)
    here.question.reply("", finish_reason="length", reported_cost_micros=None, model="of nobody")
    here.base.turn()
    think(here, here.asked[0])
    for job in (parent, child):
        ended = here.base.job(job)
        assert (ended.outcome, ended.error is not None and ended.error.type) == ("failed", "PriceMissing")
