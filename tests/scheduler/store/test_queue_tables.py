"""Agents and queues in the ledger: rows that are what was written, and what becomes of those that are not."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from statek.core.agents import AgentDefinition
from statek.store.agent_table import KnownAgent
from statek.store.errors import StoreDamaged
from statek.store.history import History
from statek.store.ledger import Ledger
from statek.store.ledger_scan import scan
from statek.store.queue_table import KEYS_KEPT, QueueItem
from statek.store.salvage import salvage

AGENTS = [KnownAgent(AgentDefinition(name), 5, {"model": name}, 6) for name in ("dispatcher", "researcher")]
ITEMS = [QueueItem(number, "main", "dispatcher", "", b"body", f"key-{number}", "test", number) for number in (1, 2, 3)]


def append(ledger: Ledger, agents: Iterable[KnownAgent] = (), items: Iterable[QueueItem | int] = ()) -> None:
    """Keep agents and items; a number is that of an item that has left."""
    queued = {item.number: item for item in items if isinstance(item, QueueItem)}
    gone = {item: None for item in items if isinstance(item, int)}
    ledger.append((), (), {}, agents=agents, queued={**queued, **gone})


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed ledger with agents and items."""
    with Ledger.open(tmp_path / "ledger") as ledger:
        append(ledger, AGENTS, ITEMS)
    return tmp_path / "ledger"


def spoil(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(sql)


def test_agents_and_items_are_read_back(path: Path) -> None:
    with History.read(path) as ledger:
        assert ledger.agents() == AGENTS
        assert (ledger.agent("researcher"), ledger.agent("nobody")) == (AGENTS[1], None)
        assert ledger.queue_items("main", "dispatcher", after=1) == ITEMS[1:]
        ledger.verify()


def test_an_item_moves_leaves_and_keeps_its_key(path: Path) -> None:
    with Ledger.open(path) as ledger:
        append(ledger, items=[replace(ITEMS[0], dead_reason="why", attempts=1), 2])
        assert ledger.queue_items("main", "dispatcher") == [ITEMS[2]]
        assert [item.dead_reason for item in ledger.dead_letters("main")] == ["why"]
        (depth,) = ledger.queue_depths()
        assert (depth.waiting, depth.dead, depth.oldest_us) == (1, 1, 3)
        assert [ledger.queue_number("main", f"key-{number}") for number in (1, 2, 4)] == [1, 2, None]
        assert ledger.queue_number("other", "key-1") is None


def test_a_number_is_never_given_twice(path: Path) -> None:
    with Ledger.open(path) as ledger:
        append(ledger, items=[1, 2, 3])
        assert ledger.last_queue_number() == 3


def test_keys_of_what_left_long_ago_are_forgotten_and_of_what_waits_are_not(path: Path) -> None:
    with Ledger.open(path) as ledger:
        append(ledger, items=[2])
        append(ledger, items=[replace(ITEMS[0], number=KEYS_KEPT + 3, key="new")])
        assert [ledger.queue_number("main", f"key-{number}") for number in (1, 2, 3)] == [1, None, 3]


@pytest.mark.parametrize(
    ("sql", "place"),
    [
        ("UPDATE queue_items SET body = x'00' WHERE number = 2", "row 2 of queue_items"),
        ("UPDATE queue_items SET dead_reason = 'forged' WHERE number = 2", "row 2 of queue_items"),
        ("UPDATE agents SET changes = NULL WHERE name = 'dispatcher'", "row 1 of agents"),
        ("UPDATE agents SET code = x'80' WHERE name = 'dispatcher'", "row 1 of agents"),
    ],
)
def test_a_row_that_is_not_what_was_written_is_named_and_left_out_of_what_is_saved(
    path: Path, sql: str, place: str
) -> None:
    spoil(path, sql)
    with History.read(path) as ledger, pytest.raises(StoreDamaged):
        ledger.verify()
    found = scan(path)
    assert [lost.partition(":")[0] for lost in found.lost] == [place]
    saved = salvage(path, path.with_name("saved"), found)
    assert len(saved.lost) == 1
    with Ledger.open(path.with_name("saved")) as ledger:
        of_items = "queue_items" in place
        assert [item.number for item in ledger.queue_items("main", "dispatcher")] == ([1, 3] if of_items else [1, 2, 3])
        assert len(ledger.agents()) == (2 if of_items else 1)
        assert ledger.last_queue_number() == 3
        assert ledger.queue_number("main", "key-1") == 1
