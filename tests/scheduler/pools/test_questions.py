"""Questions to models: no provider has more of them than it takes, and nobody waits for another provider's."""

from __future__ import annotations

from collections import Counter

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from statek.pools.fairness import Shares
from statek.pools.questions import Questions

MOST = {"slow": 1, "fast": 3}
AGENTS = st.sampled_from(["researcher", "writer"])


class Asking(RuleBasedStateMachine):
    """Jobs come, are asked about, and get their replies."""

    @initialize()
    def begin(self) -> None:
        self.questions = Questions(Shares())
        self.waiting: dict[str, tuple[str, str, bool]] = {}
        self.asked: dict[str, str] = {}
        self.made = 0

    @rule(provider=st.sampled_from(sorted(MOST)), agent=AGENTS, begun=st.booleans())
    def come(self, provider: str, agent: str, begun: bool) -> None:
        self.made += 1
        job = f"job-{self.made}"
        self.waiting[job] = (provider, agent, begun)
        self.questions.wait(job, provider, agent, begun=begun)

    @rule()
    def ask(self) -> None:
        taken = Counter(self.asked.values())
        possible = {job: kind for job, kind in self.waiting.items() if taken[kind[0]] < MOST[kind[0]]}
        job = self.questions.next(MOST.__getitem__)
        assert (job is None) == (not possible)
        if job is None:
            return
        provider, agent, begun = possible[job]
        line = [other for other, kind in self.waiting.items() if kind[:2] == (provider, agent)]
        assert begun or not any(self.waiting[other][2] for other in line), "those that have begun come first"
        assert job == next(other for other in line if self.waiting[other][2] == begun), "first come, first served"
        del self.waiting[job]
        self.asked[job] = provider
        self.questions.begin(job, provider, agent)

    @rule(data=st.data())
    def reply(self, data: st.DataObject) -> None:
        if self.asked:
            job = data.draw(st.sampled_from(sorted(self.asked)))
            del self.asked[job]
            self.questions.over(job)
            self.questions.over(job)

    @invariant()
    def no_provider_has_more_than_it_takes(self) -> None:
        if hasattr(self, "questions"):
            assert all(count <= MOST[provider] for provider, count in Counter(self.asked.values()).items())
            assert (len(self.questions), self.questions.waiting) == (len(self.asked), len(self.waiting))


TestAsking = Asking.TestCase
TestAsking.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
