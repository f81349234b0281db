"""The leases in force, and the conversation under each: sequence numbers, stamps, credit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from statek.core.leases import Lease
from statek.pools.endpoint import RouterEndpoint
from statek.pools.executors import Executor
from statek_protocol.codec import encode
from statek_protocol.messages.base import Message
from statek_protocol.messages.executor import UNACKNOWLEDGED_BYTES, UNACKNOWLEDGED_LIMIT, Credit, Stamp

CREDIT_MESSAGES: Final = UNACKNOWLEDGED_LIMIT // 4
CREDIT_BYTES: Final = UNACKNOWLEDGED_BYTES // 4
"""A credit is sent after this much, so that the other side never has to stop and wait for an idle scheduler."""


@dataclass(slots=True)
class HeldLease:
    """A lease that an executor holds: the machine's view of it, and where the two directions stand."""

    lease: Lease
    job: str
    executor: Executor
    endpoint: RouterEndpoint
    sent: int = 0
    received: int = 0
    credited: int = 0
    bytes_since_credit: int = 0
    unsendable: bool = False
    """What the batch needs does not fit into a message, so the lease is about to end."""

    @property
    def told(self) -> dict[str, str]:
        """Return what the audit log says of it."""
        return {"lease": self.lease.lease, "executor": self.executor.executor, "host": self.executor.host}

    def send(self, message: Message) -> None:
        """Send a message under this lease; raises `OversizedMessage`. A peer that is gone will be missed."""
        data = encode(message)
        self.sent += 1
        stamp = Stamp(self.lease.lease, self.lease.epoch, self.sent)
        self.endpoint.send(self.executor.identity, [encode(stamp), data])

    def took(self, size: int) -> None:
        """Count a message that came in order."""
        self.received += 1
        self.bytes_since_credit += size

    def credit_if_due(self) -> None:
        """Acknowledge what has become durable, when it is enough to be worth a message."""
        if self.received - self.credited >= CREDIT_MESSAGES or self.bytes_since_credit >= CREDIT_BYTES:
            self.credited = self.received
            self.bytes_since_credit = 0
            self.send(Credit(self.received))
