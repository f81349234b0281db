"""The life of an interpreter process: load a workspace, run batches until the supervisor closes the channel.

The zygote calls `warm_up` once in the launcher, and in every child `serve`, behind the lock.
"""

from __future__ import annotations

import itertools
import os
import traceback
from collections.abc import Sequence
from typing import Final, TypeVar

from statek_executor.errors import ChannelClosed
from statek_executor.interpreter.channel import Channel
from statek_executor.interpreter.host import GuestHost, wire_text
from statek_executor.interpreter.prepared import KnownPolicies, Prepared
from statek_executor.interpreter.session import Session
from statek_executor.interpreter.soft_limits import SOFT_LIMITS
from statek_executor.workspace import WorkspaceError
from statek_policies import Policy
from statek_policies.language import GuestExit, preload
from statek_policies.profile_files import profile_names
from statek_protocol.codec import decode, encode
from statek_protocol.messages.base import Message
from statek_protocol.messages.interpreter import TO_INTERPRETER, Failed, Load, Reply, Run, Segment

M = TypeVar("M", bound=Message)

_WARM_UP = b"""
import math
rows = [{"name": "a", "size": 2.5}, {"name": "b", "size": 4}]
total = sum(row["size"] ** 2 for row in rows if row["size"] > 0)
class Tally:
    def __init__(self, start=0):
        self.count = start
    def add(self, *sizes):
        for size in sizes:
            self.count += size
        return self.count
def describe(value, digits=2):
    try:
        return f"{value:.{digits}f}"
    except ValueError as error:
        return str(error)
tally = Tally()
tally.add(1, 2)
if total and not tally.count == 4:
    print(describe(math.sqrt(total)), sorted(row["name"] for row in rows), {key: len(key) for key in rows[0]}, sep=", ")
"""
REHEARSALS: Final = 20
"""Of a job, in the launcher: twice the number of calls after which CPython 3.11 takes code for worth rewriting."""
_rehearsals = itertools.count(1)
"""Their batches' numbers: each has a source of its own, to be compiled."""
_KNOWN_POLICIES = KnownPolicies()
_PREPARED = Prepared(SOFT_LIMITS)
"""Filled in the launcher, emptied by the job of each child."""
_FOR_REHEARSAL = Prepared(SOFT_LIMITS)
"""Where rehearsals take place, in the launcher and in those children that have one: no guest ever runs in it."""


class _NoChannel(Channel):
    """Where the warm-up's messages go."""

    def __init__(self) -> None:
        super().__init__(-1)

    def send(self, message: Message) -> None:
        encode(message)


def warm_up() -> None:
    """Do everything once that children would each have to do for themselves, while there are files.

    The rehearsals are many because CPython rewrites code while it runs for the first few times. A child that runs code
    which has settled shares its pages with the zygote; otherwise it must copy them.
    """
    preload()
    for name in profile_names():
        _KNOWN_POLICIES.learn(Policy.load(name))
    _FOR_REHEARSAL.make(_NoChannel())
    for _ in range(REHEARSALS):
        rehearse()
    _PREPARED.make(_NoChannel())
    SOFT_LIMITS.install()


def rehearse() -> None:
    """Run a job as a child will, from its first message on; in one namespace, since nothing lets go of what it was."""
    batch = next(_rehearsals)
    load = _through_the_wire(Load(Policy().to_wire(), (), (), ()))
    run = _through_the_wire(Run(batch, "warm-up", _WARM_UP + b"# %d" % batch, 0, 0, ()))
    _through_the_wire(Reply(1, 0, b"", None))
    workplace = _FOR_REHEARSAL.take(_NoChannel(), load, _KNOWN_POLICIES.read(load.policy))
    workplace.runner.run(run)
    _FOR_REHEARSAL.give_back(workplace)


def _through_the_wire(message: M) -> M:
    """Read a message as a child will, so that what reads its kind is there when the child begins."""
    read = decode(encode(message), TO_INTERPRETER)
    assert isinstance(read, type(message))
    return read


def serve_rehearsed(fd: int) -> None:
    """Serve one job, after a job of nobody's: what a first batch writes to is this process's own memory then.

    To copy those pages takes longer than all else in a first batch. It costs the memory of an interpreter that has
    worked, so few of those that wait do it.
    """
    rehearse()
    serve(fd)


def serve(fd: int) -> None:
    """Serve one job over the channel; returns when the supervisor closes it."""
    channel = Channel(fd)
    try:
        load = channel.receive(Load)
        run = channel.receive(Run)
        SOFT_LIMITS.begin_batch()  # from here on, as the supervisor counts: also while variables are restored
        try:
            _serve_job(channel, load, run)
        except ChannelClosed:
            raise
        except Exception as error:  # noqa: BLE001 - a bug of ours must be told, not die with the process
            channel.send(Failed(run.batch, "bug", wire_text(_where(error))))
            channel.receive(Run)  # the lease ends now; whatever comes is the end of the channel
    except ChannelClosed:
        os._exit(0)


def _serve_job(channel: Channel, load: Load, run: Run) -> None:
    workplace = _PREPARED.take(channel, load, _KNOWN_POLICIES.read(load.policy))
    host, session, runner = workplace.host, workplace.session, workplace.runner
    host.begin_batch(run.batch, run.first_call)
    session.begin_at(run.batch, run.first_instruction)  # now: variables may need functions that it defines
    problem = _restore(session, host, load.workspace) if load.workspace else None
    session.take_up(load.variables)
    if problem is not None:
        host.send(Failed(run.batch, "workspace", wire_text(problem)))
        channel.receive(Run)  # the lease ends now; whatever comes is the end of the channel
        return
    while True:
        runner.run(run)
        run = channel.receive(Run)
        SOFT_LIMITS.begin_batch()


def _restore(session: Session, host: GuestHost, workspace: Sequence[Segment]) -> str | None:
    """Take up the variables; returns what is wrong with them, if anything is."""
    try:
        with host.restoring():
            session.restore(workspace)
    except WorkspaceError as error:
        return str(error)
    except (GuestExit, SystemExit, KeyboardInterrupt, GeneratorExit) as error:
        return f"the hash of a key or member left with {type(error).__name__}"
    return None


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return f"{type(error).__name__}: {error} ({' < '.join(f'{f.name}:{f.lineno}' for f in reversed(frames))})"
