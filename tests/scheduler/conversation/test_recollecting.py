"""What is read of a conversation: as much as could be shown, the same whether it is remembered or read anew."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from talk_stand import UNBOUNDED, TalkStand, ended, lease_of, printed, talk_stand

from statek.agents.transcript import HarnessNote, ModelTurn, Observation, UserMessage, WarmupShown
from statek.conversation import recollecting
from statek.conversation.recollecting import Memory
from statek.core.events import ConsolePrinted


@pytest.fixture
def here(tmp_path: Path) -> Iterator[TalkStand]:
    with talk_stand(tmp_path / "ledger") as made:
        yield made


def turn(here: TalkStand, executor: Any, number: int) -> None:
    """Let the model write code that prints a number."""
    here.write(f"print({number})")
    run_batch(here, executor, f"{number}\n")


def run_batch(here: TalkStand, executor: Any, output: str = "") -> None:
    lease, run = lease_of(executor)
    if output:
        executor.send(lease, printed(run, output))
    executor.send(lease, ended(run))
    executor.offer()
    here.base.turn()


def test_what_is_remembered_is_what_would_be_read_anew(here: TalkStand) -> None:
    executor = here.base.executor()
    job = here.start("print('warm')", message="hello", definition=UNBOUNDED)
    run_batch(here, executor, "warm\n")
    memory = Memory(here.base.ledger)
    for number in range(1, 40):
        if number % 5 == 0:
            here.push(job, f"message {number}")
        if number % 7 == 0:
            here.reply("", finish_reason="length")
        elif number % 11 == 0:
            here.reply(f"that is all of {number}")
            here.push(job, "more")
        elif number == 17:
            here.fail()
            here.retry(job)
        else:
            turn(here, executor, number)
        remembered = memory.recall(job, 1_000, asks=False)
        anew = Memory(here.base.ledger).recall(job, 1_000, asks=False)
        assert remembered.entries == anew.entries
        assert remembered.cursor == anew.cursor


def test_a_conversation_is_read_in_its_order(here: TalkStand) -> None:
    executor = here.base.executor()
    job = here.start("print('warm')", message="hello")
    run_batch(here, executor, "warm\n")
    here.push(job, "meanwhile")
    turn(here, executor, 1)
    entries = Memory(here.base.ledger).recall(job, 10_000, asks=False).entries
    assert [type(entry) for entry in entries] == [UserMessage, WarmupShown, ModelTurn, Observation, UserMessage]
    assert str(entries[1].console) == "warm\n"  # type: ignore[union-attr]


def test_no_more_is_read_than_could_be_shown_and_the_rest_is_counted(here: TalkStand) -> None:
    executor = here.base.executor()
    job = here.start(definition=UNBOUNDED)
    for number in range(1, 41):
        turn(here, executor, number)
    entries = Memory(here.base.ledger).recall(job, 10 * recollecting.LEAST_TOKENS, asks=False).entries
    first = entries[0]
    assert isinstance(first, HarnessNote)
    assert first.text.startswith("24 earlier turns")
    assert sum(isinstance(entry, ModelTurn) for entry in entries) == 16
    assert "print(25)" in entries[1].text  # type: ignore[union-attr]


def test_a_turn_that_failed_is_none_that_is_left_out(here: TalkStand) -> None:
    job = here.start(message="hello")
    here.fail()
    here.push(job, "again")
    here.reply("there")
    here.push(job, "go on")
    entries = Memory(here.base.ledger).recall(job, 10_000, asks=False).entries
    assert [type(entry) for entry in entries] == [UserMessage, UserMessage, ModelTurn, UserMessage]


def test_a_turn_reads_only_what_is_new(here: TalkStand, monkeypatch: pytest.MonkeyPatch) -> None:
    executor = here.base.executor()
    job = here.start(definition=UNBOUNDED)
    asked: list[int] = []
    read = here.base.ledger.batch_events

    def counted(name: str, batch: int, kinds: Any) -> Any:
        if name == job and ConsolePrinted.kind in kinds:
            asked.append(batch)
        return read(name, batch, kinds)

    for number in range(1, 20):
        turn(here, executor, number)
    monkeypatch.setattr(here.base.ledger, "batch_events", counted)
    turn(here, executor, 20)
    assert set(asked) == {20}


def test_the_conversations_that_went_on_last_are_remembered(here: TalkStand, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recollecting, "TOKENS_REMEMBERED", 3 * recollecting.LEAST_TOKENS)
    memory = Memory(here.base.ledger)
    for number in range(5):
        job = here.start(definition=replace(UNBOUNDED, name=f"agent-{number}"))
        memory.recall(job, 1_000, asks=False)
    assert list(memory._known) == ["job-3", "job-4", "job-5"]


def test_a_hidden_block_of_the_warm_up_is_not_shown(here: TalkStand) -> None:
    executor = here.base.executor()
    job = here.start("secret = 1", definition=UNBOUNDED, hidden=True)
    run_batch(here, executor)
    assert not Memory(here.base.ledger).recall(job, 1_000, asks=False).entries
