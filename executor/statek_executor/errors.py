"""What can go wrong in an executor pool, one class per situation a caller can act upon."""

from __future__ import annotations


class ExecutorError(Exception):
    """The root. Its text is one line that names the thing and the way out."""


class SchedulerRefused(ExecutorError):
    """The scheduler did not accept our hello; its reason says what to change."""


class EndpointUnusable(ExecutorError):
    """The endpoint to connect to is malformed."""


class ReplayDiverged(ExecutorError):
    """Inside an interpreter: the batch does not take the way of its first run."""


class ChannelClosed(ExecutorError):
    """Inside an interpreter: the supervisor closed the channel, which ends this process."""
