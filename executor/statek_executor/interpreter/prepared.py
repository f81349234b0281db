"""What an interpreter has in its memory when it is forked: a namespace, and the host behind it, for a job to come.

To build a namespace takes longer than all else that comes before a job's first statement, so the zygote builds one
before it forks, for policies that offer every module and built-in. A child serves one job only: nobody gets a
namespace in which another guest has been.
"""

from __future__ import annotations

from dataclasses import dataclass

import msgpack

from statek_executor.interpreter.channel import Channel
from statek_executor.interpreter.host import GuestHost
from statek_executor.interpreter.soft_limits import SOFT_LIMITS
from statek_policies import Policy
from statek_policies.language import GuestEnvironment, build_environment


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a guest runs in: its namespace and the host that this is bound to."""

    host: GuestHost
    environment: GuestEnvironment


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
    """Surroundings for one job, made in advance or, where the policy asks for others, when the job comes."""

    def __init__(self) -> None:
        self._offered: tuple[tuple[str, ...], ...] | None = None
        self._surroundings: Surroundings | None = None

    def make(self, channel: Channel) -> None:
        """Make them; runs in the launcher, so that every child is forked with its own copy."""
        policy = Policy()
        self._offered, self._surroundings = _offered(policy), _surroundings(channel, policy)

    def take(self, channel: Channel, policy: Policy) -> Surroundings:
        """Hand them out, to the one job of this process."""
        found, self._surroundings = self._surroundings, None
        if found is None or _offered(policy) != self._offered:
            return _surroundings(channel, policy)
        found.host.begin_job(channel, policy)
        return found


def _offered(policy: Policy) -> tuple[tuple[str, ...], ...]:
    """All of a policy that a namespace depends on."""
    return policy.imports, policy.builtins


def _surroundings(channel: Channel, policy: Policy) -> Surroundings:
    host = GuestHost(channel, policy, SOFT_LIMITS)
    return Surroundings(host, build_environment(policy, host))
