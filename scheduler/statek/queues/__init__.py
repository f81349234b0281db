"""The durable queues as an application sees them."""

from __future__ import annotations

from statek.queues.push_queue import PushQueue

__all__ = ["PushQueue"]
