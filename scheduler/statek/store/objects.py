"""The jobs as dbzero objects: what an application and its agents find, read and tag.

They are made from the ledger by `projection` and are read-only to everyone else: a change made here is lost when the
store is made anew. All of dbzero belongs to the mirror's thread, so the way to read them is `mirror.submit(lambda:
find_job("report-7").status)`; another process opens the prefix read-only.

What dbzero 0.7.0 forces on us: a str ends at its first NUL, so texts from outside are kept as bytes (`..._utf8`) behind
properties of the seeds' names; instants are int microseconds; dicts forget their order; there are no enums; every class
has an id, or its objects would come back without their class. Importing this module imports dbzero, which is slow.
"""

from __future__ import annotations

from typing import Final

import dbzero as db0

from statek.store.awaited import Future

PREFIX: Final = "statek"
"""The dbzero prefix of all objects here; application objects live in prefixes of their own."""
FORMAT: Final = 4
"""Format of these objects. Older ones are not migrated: the store is made anew from the ledger."""


class Text:
    """Reads a text that is kept as bytes in an attribute of another name."""

    def __init__(self, kept_in: str) -> None:
        self._kept_in = kept_in

    def __get__(self, instance: object, owner: type) -> str:
        return to_text(getattr(instance, self._kept_in))


def to_bytes(text: str) -> bytes:
    """Make of a text what dbzero keeps unchanged: NULs and lone surrogates included."""
    return text.encode("utf-8", "surrogatepass")


def to_text(data: bytes) -> str:
    """Read what `to_bytes` or a guest's console made; bytes that are no text become backslash escapes."""
    try:
        return data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return data.decode("utf-8", "backslashreplace")


@db0.memo(id="statek/JobError", prefix=PREFIX)
class JobError:
    """The guest's own exception that ended the last batch."""

    type = Text("type_utf8")
    message = Text("message_utf8")

    def __init__(self, type_utf8: bytes, message_utf8: bytes, line: int | None) -> None:
        self.type_utf8 = type_utf8
        self.message_utf8 = message_utf8
        self.line = line


@db0.memo(id="statek/ReachedLimit", prefix=PREFIX)
class ReachedLimit:
    """The limit that ended the last batch, in the unit that its name carries, and what had been done by then."""

    name = Text("name_utf8")

    def __init__(self, name_utf8: bytes, allowed: float, used: float) -> None:
        self.name_utf8 = name_utf8
        self.allowed = allowed
        self.used = used
        self.printed_bytes = 0
        self.printed_lines = 0
        self.calls = 0
        """Calls made, those included that were refused."""
        self.calls_by_name: dict[bytes, int] = {}
        """The tools that were called most, by their names in UTF-8, and how often."""
        self.instruction = 0
        """The first instruction that the last checkpoint has not behind it."""


@db0.memo(id="statek/Usage", prefix=PREFIX)
class Usage:
    """What the job has used so far, measured from outside the interpreter."""

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        self.wall_seconds = 0.0
        self.peak_memory_bytes = 0
        self.output_bytes = 0
        self.calls = 0


@db0.memo(id="statek/BatchLogItem", prefix=PREFIX)
class BatchLogItem:
    """An entry of `chat_log`: an instruction batch, the digest of its source in the ledger, and how it ended."""

    name = Text("name_utf8")

    def __init__(self, batch: int, name_utf8: bytes, source: str, submitted_us: int) -> None:
        self.batch = batch
        self.name_utf8 = name_utf8
        self.source = source
        self.submitted_us = submitted_us
        self.attempts = 0
        self.outcome: str | None = None
        """An `Outcome`, or "skipped"; None while the batch waits or runs."""
        self.ended_us: int | None = None


@db0.memo(id="statek/ToolLogItem", prefix=PREFIX)
class ToolLogItem:
    """An entry of `tool_log`: a call and its outcome. Arguments and value stay in the ledger; they may be large."""

    tool = Text("tool_utf8")

    def __init__(self, batch: int, number: int, tool_utf8: bytes, requested_us: int) -> None:
        self.batch = batch
        self.number = number
        self.tool_utf8 = tool_utf8
        self.requested_us = requested_us
        self.outcome = "pending"
        """"pending", then "ok" or "error"."""
        self.error: JobError | None = None
        self.answered_us: int | None = None


@db0.memo(id="statek/Violation", prefix=PREFIX)
class Violation:
    """Something that the policy refused."""

    rule = Text("rule_utf8")
    detail = Text("detail_utf8")

    def __init__(self, batch: int, rule_utf8: bytes, detail_utf8: bytes, line: int | None, layer: str) -> None:
        self.batch = batch
        self.rule_utf8 = rule_utf8
        self.detail_utf8 = detail_utf8
        self.line = line
        self.layer = layer


@db0.memo(id="statek/PyEnv", prefix=PREFIX)
class PyEnv:
    """The job's Python environment as far as it can be looked at from outside."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        """What was printed, in order; the first byte tells the stream: "o" for output, "n" for a notice of ours."""
        self.push_log: dict[int, list[bytes]] = {}
        """Pushed messages by the console's length when they came."""

    @property
    def console(self) -> list[str]:
        """Return the printed lines and our notices, in order, without their line ends."""
        lines = to_text(b"".join(chunk[1:] for chunk in self.chunks)).split("\n")
        return lines if lines[-1] else lines[:-1]


@db0.tag_fields("status")
@db0.memo(id="statek/Job", prefix=PREFIX)
class Job:
    """One job; `db0.find(Job, "SUSPENDED")` finds those of a status."""

    job = Text("job_utf8")
    policy_name = Text("policy_name_utf8")
    executor = Text("executor_utf8")
    host = Text("host_utf8")

    def __init__(self, job_utf8: bytes, policy_name_utf8: bytes, policy: str, created_us: int) -> None:
        self.job_utf8 = job_utf8
        self.policy_name_utf8 = policy_name_utf8
        self.policy = policy
        self.created_us = created_us
        self.changed_us = created_us
        self.status = "READY"
        self.outcome: str | None = None
        self.executor_utf8 = b""
        """Who holds the job and where; empty while nobody does."""
        self.host_utf8 = b""
        self.batches = 0
        self.next_instr_num = 0
        self.awaited_result: Future | None = None
        """What it waits for while it is suspended in a call for a future's value."""
        self.futures: dict[int, Future] = {}
        """Its futures that are not resolved, by number."""
        self.workspace: str | None = None
        """Digest of the last checkpoint's variables in the ledger."""
        self.transient: list[bytes] = []
        """Names of variables that the last checkpoint does not keep."""
        self.error: JobError | None = None
        self.limit: ReachedLimit | None = None
        self.usage = Usage()
        self.py_env = PyEnv()
        self.chat_log: list[BatchLogItem] = []
        self.tool_log: list[ToolLogItem] = []
        self.violations: list[Violation] = []
        self.held: int | None = None
        """The batch whose violation the job is held for, SUSPENDED until a person decides."""
        self.closed = False
        """It was ended for a violation: no further batch is taken."""


@db0.memo(singleton=True, id="statek/Root", prefix=PREFIX)
class Root:
    """All jobs by name, and how much of the ledger they show; `Root()` returns the one there is."""

    def __init__(self) -> None:
        self.format = FORMAT
        self.jobs: dict[bytes, Job] = {}
        self.job_count = 0
        """How many jobs were put into `jobs`: a store that was damaged can lose entries without an error."""
        self.cursor = 0
        """The last event that is in these objects, committed together with them."""
        self.checksum = 0
        """That event's checksum in the ledger: an event of another ledger does not have it."""


def find_job(job: str) -> Job | None:
    """Return a job by its name, or None. In the mirror's thread only."""
    found: Job | None = Root().jobs.get(to_bytes(job))
    return found
