"""What an interpreter has in its memory when it is forked: a namespace, and all that serves it, for a job to come.

To build a namespace takes longer than all else that comes before a job's first statement, so the zygote builds one
before it forks, for policies that offer every module and built-in. Whatever a child builds for itself besides touches
memory that it would share otherwise: the classes of what it makes, and the code that makes it. A child serves one job
only: nobody gets a namespace in which another guest has been.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgpack

from statek_executor.interpreter.batch import BatchRunner
from statek_executor.interpreter.channel import Channel
from statek_executor.interpreter.host import GuestHost
from statek_executor.interpreter.session import Session
from statek_executor.interpreter.soft_limits import SoftLimits
from statek_policies import Policy
from statek_policies.language import build_environment
from statek_protocol.messages.interpreter import Load


@dataclass(frozen=True, slots=True)
class Workplace:
    """What serves one guest: the host that its namespace is bound to, its session, and who runs its batches."""

    host: GuestHost
    session: Session
    runner: BatchRunner


class KnownPolicies:
    """The policies that most jobs have, built in advance: they are recognised by the bytes of their plain values."""

    def __init__(self) -> None:
        self._known: dict[bytes, Policy] = {}

    def learn(self, policy: Policy) -> None:
        """Know a policy from here on; runs in the launcher."""
        self._known[msgpack.packb(policy.to_wire())] = policy

    def read(self, wire: object) -> Policy:
        """Return the policy of plain values; raises `PolicyError` for values that are none."""
        return self._known.get(msgpack.packb(wire)) or Policy.from_wire(wire)


class Prepared:
    """A workplace for one job, made in advance or, where the policy asks for another, when the job comes."""

    def __init__(self, limits: SoftLimits) -> None:
        self._limits = limits
        self._offered: tuple[tuple[str, ...], ...] | None = None
        self._workplace: Workplace | None = None

    def make(self, channel: Channel) -> None:
        """Make it; runs in the launcher, so that every child is forked with its own copy."""
        policy = Policy()
        self._offered, self._workplace = _offered(policy), self._new(channel, policy)

    def take(self, channel: Channel, load: Load, policy: Policy) -> Workplace:
        """Hand it out, to the one job of this process."""
        found, self._workplace = self._workplace, None
        if found is None or _offered(policy) != self._offered:
            found = self._new(channel, policy)
        found.host.begin_job(channel, policy)
        found.session.begin(load, policy)
        return found

    def give_back(self, workplace: Workplace) -> None:
        """Have it handed out once more: after a rehearsal, to the next one."""
        self._workplace = workplace

    def _new(self, channel: Channel, policy: Policy) -> Workplace:
        host = GuestHost(channel, policy, self._limits)
        session = Session(policy, host, build_environment(policy, host))
        return Workplace(host, session, BatchRunner(session, host, self._limits))


def _offered(policy: Policy) -> tuple[tuple[str, ...], ...]:
    """All of a policy that a namespace depends on."""
    return policy.imports, policy.builtins
