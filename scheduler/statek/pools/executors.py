"""Which executors are connected, what each can hold, and which of them takes a lease. Pure; the clock comes in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from statek.pools.endpoint import RouterEndpoint
from statek_protocol.messages.client import ConnectedExecutor

EXECUTORS_TOLD: Final = 1_000
"""As many as one message can have."""


@dataclass(slots=True)
class Executor:
    """One connected supervisor, as it introduced itself."""

    identity: bytes
    endpoint: RouterEndpoint
    executor: str
    host: str
    workers: int
    layers: frozenset[str]
    heard: float
    offered: int = 0
    granted: int = 0
    leases: dict[str, int] = field(default_factory=dict)
    """Its leases, with the number of heartbeats in a row that did not name them."""
    parking: int = 0
    """How many interpreters it keeps beside its workers while they wait."""
    idle: set[str] = field(default_factory=set)
    """The leases whose guests wait for a future or their model, or for a place to go on in."""

    @property
    def told(self) -> dict[str, str]:
        """Return what the audit log says of it."""
        return {"executor": self.executor, "host": self.host}

    @property
    def active(self) -> int:
        """Return how many of its leases need one of its workers."""
        return len(self.leases) - len(self.idle)

    @property
    def room(self) -> int:
        """Return how many leases it would take now."""
        return max(0, min(self.offered - self.granted, self.workers - self.active))

    @property
    def becoming_free(self) -> int:
        """Return how many places it has not offered anew yet, of leases that have ended."""
        return max(0, self.workers + self.parking - len(self.leases) - (self.offered - self.granted))

    @property
    def is_crowded(self) -> bool:
        """Tell whether a worker stands idle for no other reason than that waits have taken all places."""
        return self.active < self.workers and len(self.idle) > self.parking


class Executors:
    """The connected executors by the identity of their connection."""

    def __init__(self) -> None:
        self._by_identity: dict[bytes, Executor] = {}

    def __iter__(self) -> Iterator[Executor]:
        return iter(self._by_identity.values())

    def __len__(self) -> int:
        return len(self._by_identity)

    def get(self, identity: bytes) -> Executor | None:
        return self._by_identity.get(identity)

    def add(self, executor: Executor) -> None:
        self._by_identity[executor.identity] = executor

    def remove(self, identity: bytes) -> Executor | None:
        return self._by_identity.pop(identity, None)

    def silent_since(self, before: float) -> list[Executor]:
        """List those that were last heard of before that time."""
        return [executor for executor in self._by_identity.values() if executor.heard < before]

    def described(self, now: float) -> tuple[ConnectedExecutor, ...]:
        """Say for people who is connected, by name."""
        return tuple(
            ConnectedExecutor(
                executor=one.executor,
                host=one.host,
                workers=one.workers,
                active=one.active,
                parked=len(one.idle),
                parking=one.parking,
                layers=tuple(sorted(one.layers)),
                heard_seconds=max(0.0, now - one.heard),
            )
            for one in sorted(self, key=lambda one: (one.host, one.executor))[:EXECUTORS_TOLD]
        )

    def for_layers(self, required: frozenset[str]) -> Executor | None:
        """Choose the one with the most room among those that have all the layers."""
        fitting = [executor for executor in self._by_identity.values() if required <= executor.layers and executor.room]
        return max(fitting, key=lambda executor: executor.room, default=None)

    def missing_layers(self, required: frozenset[str]) -> Mapping[str, frozenset[str]]:
        """Say for each host which of the required layers it lacks."""
        return {executor.host: required - executor.layers for executor in self._by_identity.values()}
