"""The loop's part about agents: which there are, in which version, and how their jobs begin.

A version is put together of what a program defines and what an operator has changed in it. A job keeps the version
that it begins with.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from statek.agents.definitions import pack, unpack
from statek.agents.variables import objections
from statek.core import holds
from statek.core.agents import AgentDefinition
from statek.core.jobs import Job, digest
from statek.core.submissions import start
from statek.errors import AgentRefused, SubmissionRefused
from statek.loop.tick import Tick
from statek.store import given
from statek.store.agent_table import KnownAgent
from statek.store.ledger import Submission
from statek_policies.errors import shown, suggestion

if TYPE_CHECKING:
    from statek.loop.loop import Loop

USER: Final = "user"
"""Who says the message that a job begins with."""
JOB_NAME_LIMIT: Final = 128
"""Characters of a job's name: those of its leases, and the keys of futures that wait for it, are made of it."""
VARIABLES: Final = 1_000
"""With which a job can start."""
SUBTASK_DEPTH: Final = 16
"""Subtasks in subtasks: each has bounds of its own, so models that only delegate would never come to an end."""
_NAME_BYTES: Final = 8
_TOOLS_TOLD: Final = 100
_VERSIONS_KEPT: Final = 1_000


@dataclass(frozen=True, slots=True)
class JobStart:
    """How a job of an agent is to begin."""

    given: bytes | None = None
    """Variables, as `store.given` writes them."""
    message: bytes | None = None
    """What the user says first, UTF-8 with lone surrogates kept."""
    name: str = ""
    """What it is to be called; empty for a name of our choosing."""


def new_name() -> str:
    """Return a name that no job has."""
    return f"job-{secrets.token_hex(_NAME_BYTES)}"


class Roster:
    """The agents of one store, as of this moment in the turn."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._known: dict[str, KnownAgent] = {}
        self._versions: dict[str, AgentDefinition] = {}
        """Those that new jobs get, by agent."""
        self._kept: dict[str, AgentDefinition] = {}
        """Those that jobs keep, by digest."""
        self.active: frozenset[str] | None = None
        """The agents whose events become jobs here; None for all that are known."""

    def knows(self, name: str) -> bool:
        """Tell whether any program ever defined the agent."""
        return self._find(name) is not None

    def definition(self, name: str) -> AgentDefinition | None:
        """Return the version of an agent that new jobs get; None when no program ever defined it.

        Raises `AgentRefused` for one whose changes an earlier release took, and this one does not.
        """
        if name not in self._versions:
            known = self._find(name)
            if known is None:
                return None
            self._versions[name] = known.definition()
        return self._versions[name]

    def version(self, job: Job, tick: Tick | None = None) -> AgentDefinition | None:
        """Return the version of its agent that a job keeps; None for a job without one."""
        name = job.definition
        if not name:
            return None
        if name not in self._kept:
            if len(self._kept) >= _VERSIONS_KEPT:
                self._kept.pop(next(iter(self._kept)))
            new = None if tick is None else tick.blobs.get(name)
            self._kept[name] = unpack(self._loop.ledger.blob(name) if new is None else new)
        return self._kept[name]

    def names(self) -> tuple[str, ...]:
        """Return the names of all agents that are known, by which one that is not is told."""
        return tuple(sorted({known.name for known in self._loop.ledger.agents()} | self._known.keys()))

    def define(self, tick: Tick, definitions: Iterable[AgentDefinition]) -> None:
        """Take what a program defines; raises `AgentRefused`, having changed nothing, where changes do not fit it."""
        new = []
        for definition in definitions:
            known = self._find(definition.name)
            if known is None:
                new.append(KnownAgent(definition, tick.at_us))
            elif known.code != definition:
                new.append(replace(known, code=definition, defined_us=tick.at_us))
        for known, version in [(known, _fitting(known)) for known in new]:
            self._take(tick, known, version)
            tick.note("agent_defined", _told(version))

    def revise(self, tick: Tick, name: str, changes: Mapping[str, Any] | None) -> str:
        """Change fields for new jobs, or take all changes back; returns the digest of what they get.

        Raises `SubmissionRefused` for an agent that is not known, `AgentRefused` for changes that cannot be.
        """
        known = self._find(name)
        if known is None:
            raise self.unknown(name)
        merged = None if changes is None else {**(known.changes or {}), **changes}
        revised = replace(known, changes=merged, revised_us=tick.at_us)
        version = revised.definition()
        self._take(tick, revised, version)
        tick.note("agent_revised", {**_told(version), "fields": sorted(merged or ())})
        return digest(pack(version))

    def unknown(self, name: str) -> SubmissionRefused:
        """Make the refusal of an agent that is not known."""
        names = self.names()
        near = suggestion(name, names) if names else "no program has defined an agent in this store yet"
        return SubmissionRefused("unknown_agent", f"there is no agent {shown(name)} in this store; {near}")

    def start_jobs(
        self, tick: Tick, key: str, agent: str, jobs: Sequence[JobStart], parent: str = "", source: str = USER
    ) -> tuple[str, ...]:
        """Begin jobs of an agent, all of them or none, and return their names; raises `SubmissionRefused`.

        The same key, where there is one, gets the same names again and begins nothing.
        """
        known = tuple(self._begun(tick, key)) if key else ()
        if known:
            return known
        definition = self.definition(agent)
        if definition is None:
            raise self.unknown(agent)
        self._check_parent(tick, parent)
        names = self._names_for(tick, jobs)
        for job in jobs:
            self._check(definition, job)
        for number, (name, job) in enumerate(zip(names, jobs, strict=True)):
            self.begin(tick, name, definition, job, parent, source)
            if key:
                tick.submissions.append(Submission(_key(key, number), name, 1, tick.cursor))
        return names

    def begin(
        self, tick: Tick, name: str, definition: AgentDefinition, job: JobStart, parent: str = "", source: str = USER
    ) -> None:
        """Begin one job of that version."""
        messages = () if job.message is None else ((job.message, source),)
        events, blobs = start(name, definition, job.given, parent, messages)
        self._loop.begin(tick, name, events, blobs)

    def objections(self, definition: AgentDefinition, names: Iterable[str]) -> list[str]:
        """Say which names no variable of a job of the agent can have, as far as the application is here."""
        exports = self._loop.calling.offered.to(definition).exports
        return list(objections(names, tools=definition.tools, exports=exports))

    def _begun(self, tick: Tick, key: str) -> Iterator[str]:
        """Yield the names of the jobs that a key has begun, in this turn or before."""
        now = {submission.key: submission for submission in tick.submissions if submission.key.startswith(key)}
        for number in count():
            found = now.get(_key(key, number)) or self._loop.ledger.submission(_key(key, number))
            if found is None:
                return
            yield found.job

    def _names_for(self, tick: Tick, jobs: Iterable[JobStart]) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for job in jobs:
            name = job.name or new_name()
            if not name.isprintable() or len(name) > JOB_NAME_LIMIT:
                reason = f"{shown(name)} is no name for a job: up to {JOB_NAME_LIMIT} printable characters are needed"
                raise SubmissionRefused("job_name", reason)
            if name in names or self._loop.job_in_turn(tick, name) is not None:
                raise SubmissionRefused("job_exists", f"there is a job {name!r} in this store already, or was once")
            names[name] = None
        return tuple(names)

    def _check_parent(self, tick: Tick, parent: str) -> None:
        """Refuse subtasks of a job that is not there, that nobody wants to go on, or that is one too often itself."""
        job = self._loop.job_in_turn(tick, parent) if parent else None
        if parent and job is None:
            raise SubmissionRefused("unknown_job", f"there is no job {parent!r} in this store, so it has no subtasks")
        over = None if job is None else holds.why_no_subtasks(job)
        if over is not None:
            raise SubmissionRefused(*over)
        for _ in range(SUBTASK_DEPTH):
            if job is None or not job.parent:
                return
            job = self._loop.job_in_turn(tick, job.parent)
        text = f"{parent!r} is a subtask of a subtask, {SUBTASK_DEPTH} deep, and no deeper: do the work in it"
        raise SubmissionRefused("subtask_depth", text)

    def _check(self, definition: AgentDefinition, job: JobStart) -> None:
        """Refuse variables and messages that no job can begin with."""
        if job.message is not None and not is_text(job.message):
            raise SubmissionRefused("message", "a message is UTF-8 text")
        if job.message is not None and len(job.message) > given.VALUES_BYTES:
            text = f"a message of {len(job.message)} bytes; {given.VALUES_BYTES} are allowed: have a tool read it"
            raise SubmissionRefused("message", text)
        if job.given is None:
            return
        try:
            names = given.names_of(job.given)
        except (TypeError, IndexError) as error:
            raise SubmissionRefused("variables", f"variables are a map of values by name: {error}") from error
        if len(names) > VARIABLES:
            raise SubmissionRefused("variables", f"{len(names)} variables; a job can start with {VARIABLES}")
        wrong = self.objections(definition, names)
        if wrong:
            raise SubmissionRefused("variables", "; ".join(wrong))

    def _find(self, name: str) -> KnownAgent | None:
        if name not in self._known:
            known = self._loop.ledger.agent(name)
            if known is None:
                return None
            self._known[name] = known
        return self._known[name]

    def _take(self, tick: Tick, known: KnownAgent, version: AgentDefinition) -> None:
        self._known[known.name] = tick.agents[known.name] = known
        self._versions[known.name] = version


def _fitting(known: KnownAgent) -> AgentDefinition:
    try:
        return known.definition()
    except AgentRefused as error:
        way_out = (
            f"an operator's changes do not fit it any more; `statek agents revise {known.name} --reset` takes them back"
        )
        raise AgentRefused(known.name, (*error.faults, way_out)) from error


def _told(version: AgentDefinition) -> dict[str, Any]:
    """Say for the audit log which version it is, without any text of it."""
    told = {"agent": version.name, "definition": digest(pack(version)), "model": version.model}
    return {**told, "policy": version.policy_name, "tools": list(version.tools[:_TOOLS_TOLD])}


def _key(key: str, number: int) -> str:
    return f"{key}#{number}"


def is_text(data: bytes) -> bool:
    """Tell whether bytes are a text as messages are kept: UTF-8, lone surrogates allowed."""
    try:
        data.decode("utf-8", "surrogatepass")
    except UnicodeDecodeError:
        return False
    return True
