"""Agents share places evenly, whatever their numbers of jobs; within an agent it is first come, first served."""

from __future__ import annotations

from collections import Counter, defaultdict, deque
from pathlib import Path

import msgpack
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from loop_stand import POLICY, finished, make_stand

from statek.core.events import BatchSubmitted, Event, JobCreated
from statek.core.evolve import evolve
from statek.core.jobs import Job, digest
from statek.pools.fairness import FairQueue, Shares
from statek.pools.ready import Kind, ReadyJobs
from statek.store.ledger import Ledger, Record
from statek_protocol.messages.executor import Grant, Pull
from statek_protocol.messages.interpreter import Run

AGENTS = st.sampled_from(["", "researcher", "writer", "critic"])
KINDS = (frozenset[str](), frozenset({"seccomp"}))


class Waiting(RuleBasedStateMachine):
    """Jobs come, get places and give them back; a plain model says which agents may be next."""

    @initialize()
    def begin(self) -> None:
        self.ready = ReadyJobs()
        self.model: dict[tuple[frozenset[str], str], deque[str]] = defaultdict(deque)
        self.places: dict[str, str] = {}
        self.served: dict[str, int] = {}
        self.made = self.turn = 0

    @rule(agent=AGENTS, kind=st.sampled_from(KINDS), jobs=st.integers(1, 5))
    def come(self, agent: str, kind: frozenset[str], jobs: int) -> None:
        for _ in range(jobs):
            self.made += 1
            self.ready.add(f"{agent}/{self.made}")
            self.model[kind, agent].append(f"{agent}/{self.made}")
            self.ready.sort_in(1, lambda _: Kind(kind, agent))

    @rule(kinds=st.sets(st.sampled_from(KINDS)))
    def get_a_place(self, kinds: set[frozenset[str]]) -> None:
        found = self.ready.next(lambda layers: layers if layers in kinds else None)
        waiting = {agent for (kind, agent), jobs in self.model.items() if jobs and kind in kinds}
        if found is None:
            assert not waiting
            return
        job, kind = found
        agent = job.partition("/")[0]
        taken = Counter(self.places.values())
        assert taken[agent] == min(taken[other] for other in waiting), "somebody has fewer places"
        equals = [other for other in waiting if taken[other] == taken[agent]]
        assert self.served.get(agent, 0) == min(self.served.get(other, 0) for other in equals), "somebody waits longer"
        assert self.model[kind, agent].popleft() == job, "within an agent it is first come, first served"
        self.turn += 1
        self.served[agent] = self.turn
        self.ready.shares.occupy(job, agent)
        self.places[job] = agent
        self.forget_idle()

    @rule(data=st.data())
    def give_a_place_back(self, data: st.DataObject) -> None:
        if self.places:
            job = data.draw(st.sampled_from(sorted(self.places)))
            del self.places[job]
            self.ready.shares.vacate(job)
            self.ready.shares.vacate(job)
            self.forget_idle()

    def forget_idle(self) -> None:
        busy = {agent for (_, agent), jobs in self.model.items() if jobs} | set(self.places.values())
        self.served = {agent: turn for agent, turn in self.served.items() if agent in busy}

    @invariant()
    def nothing_is_lost(self) -> None:
        if hasattr(self, "ready"):
            assert len(self.ready) == sum(map(len, self.model.values()))


TestWaiting = Waiting.TestCase
TestWaiting.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


@given(st.lists(AGENTS, max_size=60))
def test_everybody_gets_a_turn_before_anybody_gets_another(agents: list[str]) -> None:
    queue = FairQueue(shares := Shares())
    for number, agent in enumerate(agents):
        queue.push(agent, f"{agent}/{number}")
    order = []
    while queue:
        order.append(queue.pop().partition("/")[0])
        shares.occupy(str(len(order)), order[-1])
    left, seen = Counter(agents), Counter[str]()
    for agent in order:
        behind = [other for other in left if seen[other] < seen[agent] and seen[other] < left[other]]
        assert not behind
        seen[agent] += 1
    assert seen == left


@pytest.mark.parametrize("places", [1, 10, 100])
def test_one_job_beside_ten_thousand_gets_the_next_place_that_comes_free(places: int) -> None:
    queue = FairQueue(shares := Shares())
    for number in range(10_000):
        queue.push("many", f"job-{number}")
    taken = [queue.pop() for _ in range(places)]
    for job in taken:
        shares.occupy(job, "many")
    queue.push("one", "the one")
    shares.vacate(taken[0])
    assert queue.pop() == "the one"
    assert len(queue) == 10_000 - places


def test_agents_whose_jobs_take_long_get_no_more_places_than_others() -> None:
    """Places are shared, not turns: jobs of one agent take a hundred times as long."""
    queue, shares, ends, busy = *_pair(), defaultdict(list), Counter[str]()  # type: ignore[var-annotated]
    for number in range(2_000):
        queue.push("long", f"long/{number}")
        queue.push("short", f"short/{number}")
    free = 10
    for now in range(300):
        for job in ends.pop(now, []):
            shares.vacate(job)
            free += 1
        while free:
            job = queue.pop()
            agent = job.partition("/")[0]
            shares.occupy(job, agent)
            ends[now + (100 if agent == "long" else 1)].append(job)
            free -= 1
        busy.update(job.partition("/")[0] for jobs in ends.values() for job in jobs)
    assert busy["long"] == pytest.approx(busy["short"], rel=0.1)


def test_a_loop_gives_its_places_to_agents_in_turn(tmp_path: Path) -> None:
    with Ledger.open(tmp_path / "ledger") as ledger:
        for name in ("many-1", "many-2", "many-3", "many-4", "one-1", "one-2"):
            _submitted(ledger, name, agent=name.partition("-")[0])
        here = make_stand(ledger)
        executor = here.executor()
        order = []
        while executor.all(Run)[len(order) :]:
            order.append(executor.all(Grant)[-1].job)
            executor.send(executor.lease, finished(executor.all(Run)[-1]))
            executor.say(Pull(len(order) + 1))
            here.turn()
    assert order == ["many-1", "one-1", "many-2", "one-2", "many-3", "many-4"]


def _submitted(ledger: Ledger, name: str, agent: str) -> None:
    policy = msgpack.packb(POLICY.to_wire())
    events: tuple[Event, ...] = (
        JobCreated(name, POLICY.name, digest(policy), agent),
        BatchSubmitted(1, "batch", digest(b"source"), 1, digest(policy)),
    )
    job: Job | None = None
    for event in events:
        job = evolve(job, event)
    assert job is not None
    blobs = {digest(policy): policy, digest(b"source"): b"source"}
    ledger.append([Record(name, 1, event) for event in events], [job], blobs)


def test_agents_that_are_gone_leave_nothing_behind() -> None:
    queue, shares = _pair()
    for number in range(1_000):
        queue.push(f"agent-{number}", "job")
        shares.occupy("place", queue.pop() and f"agent-{number}")
        shares.vacate("place")
    assert not any((shares._places, shares._taken, shares._served, queue._waiting))
    assert queue.first is None
    assert not queue._ranked


def _pair() -> tuple[FairQueue, Shares]:
    shares = Shares()
    return FairQueue(shares), shares
