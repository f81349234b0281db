"""What one turn of the loop does, in the order that docs/operations.md gives; all of it is one commit."""

from __future__ import annotations

from pathlib import Path

from agents_stand import agents_stand

from statek.agents.agent import Agent
from statek.loop.queueing import NewItem
from statek.loop.roster import JobStart
from statek.loop.tick import Tick
from statek.store.given import encode_given


def test_a_turn_takes_what_arrived_then_delivers_then_gives_places(tmp_path: Path) -> None:
    with agents_stand(tmp_path / "ledger", max_concurrency=10) as here:
        here.define(Agent("dispatcher", warmup="user = event"))
        here.executor(workers=10)
        (told,) = here.start("dispatcher")
        loop = here.stand.loop

        def push(tick: Tick) -> None:
            loop.queueing.push(tick, NewItem("main", None, "dispatcher", encode_given({"user": "Alex"})))
            loop.queueing.push(tick, NewItem("main", told, None, b"hurry"))

        here.decide(push)
        before = here.ledger.last_cursor
        committed: list[Tick] = []
        loop.witnesses.append(committed.append)
        loop.delivering.begin(None, list(loop.in_hand))
        loop.do(lambda tick: loop.roster.start_jobs(tick, "", "dispatcher", [JobStart()]))
        loop.turn()
        assert len(committed) == 1
        kinds = [stored.event.kind for stored in here.ledger.events(None, before)]
        arrived, delivered = (place for place, kind in enumerate(kinds) if kind == "job_created")
        assert arrived < kinds.index("message_pushed")
        assert max(delivered, kinds.index("message_pushed")) < kinds.index("lease_granted")
