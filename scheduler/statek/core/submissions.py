"""What makes a job, or brings it more to do: a client's batches, or the start of an agent. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgpack

from statek.core import turns
from statek.core.agents import AgentDefinition, BatchRole, pack
from statek.core.events import BatchSubmitted, Event, JobCreated, MessagePushed, PolicyChanged
from statek.core.evolve import evolve, evolved
from statek.core.jobs import Job, digest


def submit(
    job: Job | None, name: str, batches: Sequence[tuple[str, bytes]], policy: tuple[str, bytes] | None
) -> tuple[tuple[Event, ...], dict[str, bytes]]:
    """Return the events and blobs of batches (name, source) that are to run in a job, under a policy (name, bytes).

    A new job needs a policy; a known one keeps the one it has unless another is given.
    """
    events: list[Event] = []
    blobs: dict[str, bytes] = {}
    policy_digest = job.policy if job is not None else ""
    if policy is not None:
        policy_digest = digest(policy[1])
        blobs[policy_digest] = policy[1]
        if job is None:
            events.append(JobCreated(name, policy[0], policy_digest))
        elif job.policy != policy_digest:
            events.append(PolicyChanged(policy[0], policy_digest))
    first = (job.batches if job is not None else 0) + 1
    for number, (batch_name, source) in enumerate(batches, first):
        source_digest = digest(source)
        blobs[source_digest] = source
        events.append(BatchSubmitted(number, batch_name, source_digest, first, policy_digest))
    return tuple(events), blobs


def start(
    name: str,
    definition: AgentDefinition,
    given: bytes | None = None,
    parent: str = "",
    messages: Iterable[tuple[bytes, str]] = (),
) -> tuple[tuple[Event, ...], dict[str, bytes]]:
    """Return the events and blobs of a new job of an agent: its warm-up, or at once the first turn of its model.

    `given` are variables that it starts with (`store.given`), `messages` pairs of a text and who says it.
    """
    policy, packed = msgpack.packb(definition.policy), pack(definition)
    blobs = {digest(data): data for data in (policy, packed, *(() if given is None else (given,)))}
    created = JobCreated(
        name,
        definition.policy_name,
        digest(policy),
        agent=definition.name,
        definition=digest(packed),
        parent=parent,
        given="" if given is None else digest(given),
        harness=definition.harness,
        model=definition.model,
        provider=definition.provider,
    )
    said = (MessagePushed(number, text, source) for number, (text, source) in enumerate(messages, 1))
    events = (created, *said, *_warm_up(definition, created.policy, blobs))
    if not definition.warmup:
        events = (*events, *turns.next_turn(evolved(evolve(None, created), events[1:])))
    return events, blobs


def _warm_up(definition: AgentDefinition, policy: str, blobs: dict[str, bytes]) -> Iterable[Event]:
    """Submit the blocks of a warm-up as one group: after one that is not ok the rest is skipped."""
    for number, block in enumerate(definition.warmup, 1):
        source = block.source.encode("utf-8", "surrogatepass")
        blobs[digest(source)] = source
        role: BatchRole = "hidden" if block.hidden else "warmup"
        yield BatchSubmitted(number, f"warmup-{number}", digest(source), 1, policy, role)
