"""Whatever happens to conversations, in whichever order: the objects tell what the ledger and its fold tell."""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from store_histories import CALL, REPLY
from store_mirrors import mirror_of
from store_views import from_ledger, from_objects

sys.path.insert(0, str(Path(__file__).parents[1] / "core" / "support"))

from core_programs import Ask, Begin, Program, Say, Use
from core_talks import ANSWERED, ENDLESS, Talk
from core_world import fold

from statek.agents.replies import pack
from statek.core import holds
from statek.core.agents import Harness
from statek.core.events import BatchSubmitted, Event, JobCreated, TurnAnswered, TurnUsage
from statek.core.jobs import digest
from statek.store.directory import StoreDirectory
from statek.store.ledger import Ledger, Record
from statek_policies import Policy

JOBS = 40
STEPS = 30
PROGRAMS = (
    Program(((Say(b"ok\n"),),)),
    Program(((Say(b"no\n"),),), outcome="error"),
    Program(((Say(b"bye\n"),),), exit_status="done"),
    Program(((Begin("x"), Use(0)),)),
    Program(((Ask("t"),),)),
    Program((), outcome="limit"),
    Program((), outcome="blocked"),
)
REPLIES = (pack(REPLY), pack(CALL))


def conversation(chance: random.Random) -> Talk:
    """A job of an agent to which things happen by chance."""
    policy = Policy(name="test", on_violation=chance.choice(("hold", "refuse")))
    talk = Talk(policy=policy, plain_ends=chance.random() < 0.5)
    bounds = Harness(chance.choice((None, 3)), None, chance.choice((None, 2)), chance.choice((None, 1)), None)
    talk.start(*chance.choices(PROGRAMS[:3], k=chance.randrange(3)), harness=chance.choice((ENDLESS, bounds)))
    for _ in range(STEPS):
        chance.choice(list(what_can_happen(talk, chance)))()
    return talk


def what_can_happen(talk: Talk, chance: random.Random) -> Iterator[Callable[[], object]]:
    job = talk.job
    yield lambda: talk.go_on(chance.randrange(1, 6))
    yield talk.push
    if chance.random() < 0.1:
        yield talk.cancel
        yield talk.scheduler_restarts
    if talk.lease is not None:
        yield lambda: talk.executor_falls_silent(blamed=chance.random() < 0.5)
    if talk.waits is not None:
        usage = chance.choice((ANSWERED, TurnUsage(input_tokens=10)))
        yield lambda: talk.reply(*chance.choices(PROGRAMS, k=chance.randrange(1, 3)), usage=usage)
        yield from (talk.mumble, lambda: talk.say("that is all"), talk.give_up)
    if talk.awaited:
        yield lambda: talk.resolve(talk.awaited[0], fails=chance.random() < 0.5)
    if job.held is not None:
        yield lambda: talk.apply(holds.decide(job, "release", "request"))
    if job.status == "DONE" and job.held is None:
        yield talk.retry


def under_the_name(job: str, event: Event, chance: random.Random) -> Event:
    """The event of a job of another name, with a source and a reply that are on record."""
    match event:
        case JobCreated():
            return replace(event, job=job)
        case BatchSubmitted():
            return replace(event, source=digest(b"source"))
        case TurnAnswered():
            return replace(event, reply=digest(chance.choice(REPLIES)))
    return event


def test_after_any_order_of_things_the_objects_tell_what_the_ledger_tells(
    store: StoreDirectory, ledger: Ledger
) -> None:
    chance = random.Random(21)
    blobs = {digest(data): data for data in (b"source", *REPLIES)}
    for number in range(JOBS):
        talk, name = conversation(chance), f"job-{number}"
        events = [under_the_name(name, event, chance) for event in talk.events]
        job = fold(events)
        assert job is not None
        ledger.append([Record(name, at, event) for at, event in enumerate(events)], [job], {**talk.blobs, **blobs})
    seen: set[tuple[str, str | None]] = {(job.status, job.outcome) for job in ledger.jobs()}
    assert len(seen) >= 6, sorted(map(str, seen))
    with mirror_of(store, commit_seconds=3600.0) as mirror:
        told = from_ledger(store.ledger)
        assert len(told) == JOBS
        assert from_objects(mirror) == told
        assert mirror.recovery is None
