"""What can go wrong in the scheduler and the statek command, one class per situation a caller can act upon."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class StatekError(Exception):
    """The root. Its text is one line that names the thing and the way out."""


class BugInScheduler(StatekError):
    """An invariant of ours does not hold. Nobody outside can cause or mend this; please report it."""


class EndpointUnusable(StatekError):
    """The endpoint to listen on is malformed, in use, or not ours to open."""

    def __init__(self, endpoint: str, reason: str) -> None:
        super().__init__(f"cannot listen on {endpoint}: {reason}")
        self.endpoint = endpoint


class KeysUnusable(StatekError):
    """A CURVE key that is needed is missing or unreadable."""


class AppUnusable(StatekError):
    """The application file given with --app cannot be loaded, or does not export what it should."""


class SettingsRefused(StatekError):
    """Settings that are unknown, malformed or not to be trusted; each fault names the place and what would be right."""

    def __init__(self, faults: Iterable[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("; ".join(self.faults))


class LogsUnusable(StatekError):
    """The directory for log files cannot be used, or not safely."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"cannot log to {path}: {reason}")
        self.path = path


class AgentRefused(StatekError):
    """An agent is not defined as it could be used; each fault names the field and what would be right."""

    def __init__(self, agent: str, faults: Iterable[str]) -> None:
        self.agent = agent
        self.faults = tuple(faults)
        super().__init__(f"agent {agent!r}: {'; '.join(self.faults)}")


class AlreadyRunning(StatekError):
    """A scheduler runs in this process already; dbzero can be open once in a process. Start another one in another."""

    def __init__(self, store: Path) -> None:
        super().__init__(
            f"a scheduler on {store} runs in this process already: stop it first, or start this one in another process"
        )
        self.store = store


class SubmissionRefused(StatekError):
    """The scheduler refused a client's request; nothing was changed."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class SchedulerSilent(StatekError):
    """The scheduler that runs on the store does not answer; the job, if there is one, goes on without this client."""
