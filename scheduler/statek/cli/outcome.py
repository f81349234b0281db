"""What came of a submission, folded from the events that the scheduler tells: the contract of `exec --json`. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from statek.core.jobs import Usage
from statek_protocol import schema
from statek_protocol.messages.client import JobEvent

EXIT_STATUS: Final = {"ok": 0, "error": 1, "blocked": 3, "limit": 4, "failed": 5, "cancelled": 5}
"""2 is the shell's wrong usage, which never gets as far as an outcome."""


@dataclass(slots=True)
class JobOutcome:
    """Grows with each event until the job has ended."""

    job: str
    first_batch: int
    last_batch: int
    ended: bool = False
    final: bool = False
    """The job was ended for a violation of its policy."""
    outcome: str | None = None
    status: str = "READY"
    console: bytearray = field(default_factory=bytearray)
    error: dict[str, Any] | None = None
    violations: list[dict[str, Any]] = field(default_factory=list)
    limit: dict[str, Any] | None = None
    transient: list[str] = field(default_factory=list)
    waits_for: str | None = None
    """What the job is suspended on."""
    trouble: str | None = None
    """What is wrong with the condition of that."""
    usage: Usage = field(default_factory=Usage)

    @property
    def exit_status(self) -> int:
        return EXIT_STATUS[self.outcome or "failed"]

    def take(self, event: JobEvent) -> bytes:
        """Fold in one event; returns what it adds to the console."""
        body = event.body
        batch = body.get("batch")
        if event.kind == "job_ended":
            self.status, self.ended, self.final = "DONE", True, body["final"]
            self.outcome = self.outcome or body["outcome"]
        elif event.kind == "job_held":
            self.status, self.ended = "SUSPENDED", True
            self.outcome = self.outcome or "blocked"
        elif event.kind == "lease_granted":
            self.status = "STARTED"
        elif event.kind == "future_troubled" and self.waits_for is not None:
            self.trouble = f"{body['error']} ({body['failures']} times in a row)"
        elif batch is not None and batch > self.last_batch:
            self.ended = self.ended or event.kind == "batch_started"
        elif batch is not None and batch >= self.first_batch:
            return self._take_of_ours(event.kind, body)
        return b""

    def _take_of_ours(self, kind: str, body: dict[str, Any]) -> bytes:
        match kind:
            case "job_suspended":
                self.status, self.waits_for = "SUSPENDED", body["awaits"]
            case "job_resumed":
                self.status, self.waits_for, self.trouble = "STARTED", None, None
            case "console_printed" if body["stream"] == "output":
                self.console += body["data"]
                return bytes(body["data"])
            case "policy_violated":
                self.violations.append({key: body[key] for key in ("rule", "detail", "line", "layer")})
            case "usage_metered":
                self.usage = self.usage.plus(schema.load(Usage, body["usage"]))
            case "batch_ended":
                self.outcome = body["outcome"]
                self.limit = None if body["limit"] is None else {**body["limit"], **(body["progress"] or {})}
                self.error = None if body["error"] is None else {**body["error"], "batch": body["batch"]}
                self.transient = [value["name"] for value in body["transient"]]
        return b""

    @property
    def progress(self) -> str:
        """What had been printed and done when a limit was reached, for people; empty where it is not on record."""
        if self.limit is None or "calls" not in self.limit:
            return ""
        text = f", after {self.limit['printed_lines']} lines ({self.limit['printed_bytes']} bytes) of output"
        names = ", ".join(f"{name} {count}" for name, count in self.limit["calls_by_name"].items())
        return f"{text} and {self.limit['calls']} calls{f' ({names})' if names else ''}"

    def as_json(self) -> dict[str, Any]:
        """Return the object that `exec --json` prints; lone surrogates become escapes, which JSON text can carry."""
        return {
            "job": self.job,
            "status": self.status,
            "outcome": self.outcome or "failed",
            "console": self.console.decode("utf-8", "backslashreplace"),
            "error": self.error,
            "violations": self.violations,
            "limit": self.limit,
            "usage": schema.dump(self.usage),
            "transient": self.transient,
        }
