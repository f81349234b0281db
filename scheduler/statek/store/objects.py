"""The jobs as dbzero objects: what an application and its agents find, read and tag.

They are made from the ledger by `projection` and are read-only to everyone else: a change made here is lost when the
store is made anew. All of dbzero belongs to the mirror's thread, so the way to read them is `mirror.submit(lambda:
find_job("report-7").status)`; another process opens the prefix read-only.

What dbzero 0.7.0 forces on us: a str ends at its first NUL, so texts from outside are kept as bytes (`..._utf8`) behind
properties of the seeds' names; instants are int microseconds; dicts forget their order; there are no enums; every class
has an id, or its objects would come back without their class. Importing this module imports dbzero, which is slow.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Final
from urllib.parse import quote_from_bytes

import dbzero as db0

from statek.core.money import in_currency
from statek.store.awaited import Future
from statek.store.chat_items import ChatItem, JobError, ReachedLimit
from statek.store.texts import Text, to_bytes, to_text

PREFIX: Final = "statek"
"""The dbzero prefix of all objects here; application objects live in prefixes of their own."""
FORMAT: Final = 7
"""Format of these objects. Older ones are not migrated: the store is made anew from the ledger."""


class ModelUsage:
    """What models were asked and cost: counters, in an object that has some of its own besides."""

    def __init__(self) -> None:
        self.input_tokens = 0
        self.cached_tokens = 0
        """Those among the input tokens that the provider had cached."""
        self.output_tokens = 0
        self.cost_micros = 0
        """Millionths of the price table's currency; replies without a price are not in it."""
        self.unpriced = 0
        """Replies for which there is no price."""

    @property
    def cost(self) -> Decimal:
        """Return the cost in whole units of the price table's currency."""
        return in_currency(self.cost_micros)


@db0.memo(id="statek/Usage", prefix=PREFIX)
class Usage(ModelUsage):
    """What the job has used so far: its batches, measured from outside the interpreter, and its model."""

    def __init__(self) -> None:
        self.cpu_seconds = 0.0
        self.wall_seconds = 0.0
        self.peak_memory_bytes = 0
        self.output_bytes = 0
        self.calls = 0
        super().__init__()


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
        self.batches: list[int] = []
        """Of which batch each chunk is."""
        self.pushed: dict[int, list[bytes]] = {}
        """Pushed messages by how many lines the job had printed when they came."""

    @property
    def console(self) -> list[str]:
        """Return the printed lines and our notices, in order, without their line ends."""
        return _lines(self.chunks)

    def console_of(self, batch: int) -> list[str]:
        """Return those of one batch."""
        return _lines([chunk for chunk, of in zip(self.chunks, self.batches, strict=True) if of == batch])

    @property
    def push_log(self) -> dict[int, list[str]]:
        """Return the pushed messages by how many lines the job had printed when they came, in order."""
        return {lines: [to_text(text) for text in self.pushed[lines]] for lines in sorted(self.pushed)}


def _lines(chunks: list[bytes]) -> list[str]:
    lines = to_text(b"".join(chunk[1:] for chunk in chunks)).split("\n")
    return lines if lines[-1] else lines[:-1]


@db0.memo(id="statek/Job", prefix=PREFIX)
class Job:
    """One job; `db0.find(Job, "SUSPENDED", agent_tag("researcher"))` finds those of a status and an agent.

    Its tags are not dbzero's tag fields: in 0.7.0 a field that gets back, before a commit, a value that it had loses
    the tag of that value. A tag keeps an object alive, so all are taken off where a job is forgotten.
    """

    job = Text("job_utf8")
    agent = Text("agent_utf8")
    parent = Text("parent_utf8")
    policy_name = Text("policy_name_utf8")
    executor = Text("executor_utf8")
    host = Text("host_utf8")

    def __init__(self, job_utf8: bytes, policy_name_utf8: bytes, policy: str, created_us: int) -> None:
        self.job_utf8 = job_utf8
        self.agent_utf8 = b""
        """The agent whose job it is; empty for a job of a client's own batches."""
        self.definition = ""
        """The digest of that agent's definition in the ledger, as the job keeps it."""
        self.parent_utf8 = b""
        """The job whose subtask it is."""
        self.children_utf8: list[bytes] = []
        self.policy_name_utf8 = policy_name_utf8
        self.policy = policy
        self.created_us = created_us
        self.changed_us = created_us
        self.status = "READY"
        self.outcome: str | None = None
        self.exit_status_utf8: bytes | None = None
        self.executor_utf8 = b""
        """Who holds the job and where; empty while nobody does."""
        self.host_utf8 = b""
        self.batches = 0
        self.next_instr_num = 0
        self.conversing = False
        """It has a model to talk with."""
        self.asking = False
        """The model's reply is awaited."""
        self.num_turns = 0
        """How often the model was asked for a reply; repetitions after a crash are not counted."""
        self.num_completions = 0
        """How often the job was revived after its end."""
        self.num_exceptions = 0
        """Replies that could not be used, and batches of the model's that did not end as they should."""
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
        self.chat_log: list[ChatItem] = []
        self.tool_log: list[ToolLogItem] = []
        self.violations: list[Violation] = []
        self.held: int | None = None
        """The batch whose violation the job is held for, SUSPENDED until a person decides."""
        self.closed = False
        """It was ended for a violation: no further batch is taken."""

    @property
    def children(self) -> list[str]:
        """Name its subtasks, in the order in which they were started."""
        return [to_text(child) for child in self.children_utf8]

    @property
    def exit_status(self) -> str | None:
        """Return what `exit()`, or the model's last words, ended the job with; None where nothing did."""
        return None if self.exit_status_utf8 is None else to_text(self.exit_status_utf8)


@db0.memo(id="statek/Agent", prefix=PREFIX)
class Agent(ModelUsage):
    """An agent that jobs were started of, and what its jobs that are not forgotten have used of their models."""

    agent = Text("agent_utf8")
    model = Text("model_utf8")
    provider = Text("provider_utf8")

    def __init__(self, agent_utf8: bytes) -> None:
        self.agent_utf8 = agent_utf8
        self.definition = ""
        """The digest of its newest definition that a job was started with."""
        self.model_utf8 = b""
        """The model that a job of it asked last."""
        self.provider_utf8 = b""
        self.jobs = 0
        super().__init__()

    def count(self, status: str) -> int:
        """Count its jobs of a status."""
        return len(db0.find(Job, status, agent_tag(self.agent)))


@db0.memo(singleton=True, id="statek/Root", prefix=PREFIX)
class Root:
    """All jobs by name, and how much of the ledger they show; `Root()` returns the one there is."""

    def __init__(self) -> None:
        self.format = FORMAT
        self.jobs: dict[bytes, Job] = {}
        self.agents: dict[bytes, Agent] = {}
        """Those that jobs were started of, by name."""
        self.job_count = 0
        """How many jobs were put into `jobs`: a store that was damaged can lose entries without an error."""
        self.cursor = 0
        """The last event that is in these objects, committed together with them."""
        self.checksum = 0
        """That event's checksum in the ledger: an event of another ledger does not have it."""


def set_status(job: Job, status: str) -> None:
    """Give a job its status, and the tag of it."""
    if status != job.status:
        db0.tags(job).add(status)
        db0.tags(job).remove(job.status)
        job.status = status


def agent_tag(agent: str) -> str:
    """Return the tag of an agent's jobs, which no name makes that of a status or of another agent."""
    return f"agent/{quote_from_bytes(to_bytes(agent), safe='')}"


def find_job(job: str) -> Job | None:
    """Return a job by its name, or None. In the mirror's thread only."""
    found: Job | None = Root().jobs.get(to_bytes(job))
    return found
