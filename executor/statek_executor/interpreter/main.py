"""The life of an interpreter process: load a workspace, run batches until the supervisor closes the channel.

Called by the zygote in a child that is already locked down (`serve`), after `prepare` ran just before the lock.
"""

from __future__ import annotations

import os
import traceback

from statek_executor.errors import ChannelClosed
from statek_executor.interpreter.batch import BatchRunner
from statek_executor.interpreter.channel import Channel
from statek_executor.interpreter.host import GuestHost, wire_text
from statek_executor.interpreter.session import Session
from statek_executor.interpreter.soft_limits import SOFT_LIMITS
from statek_executor.workspace import MalformedWorkspace
from statek_policies import Policy
from statek_protocol.messages.interpreter import Failed, Load, Run


def prepare() -> None:
    """Do what the kernel's filter will not allow any more."""
    SOFT_LIMITS.install()


def serve(fd: int) -> None:
    """Serve one job over the channel; returns when the supervisor closes it."""
    channel = Channel(fd)
    try:
        load = channel.receive(Load)
        policy = Policy.from_wire(load.policy)
        host = GuestHost(channel, policy, SOFT_LIMITS)
        first = channel.receive(Run)
        host.begin_batch(first.batch, first.first_call)
        session = _open_session(load, policy, host, first)
        if session is not None:
            _run_batches(channel, session, host, first)
    except ChannelClosed:
        os._exit(0)


def _open_session(load: Load, policy: Policy, host: GuestHost, first: Run) -> Session | None:
    """Build the namespace; a workspace that cannot be read fails the batch that wants it."""
    session = Session(load, policy, host)
    if load.workspace is not None:
        try:
            session.restore(load.workspace)
        except MalformedWorkspace as error:
            host.send(Failed(first.batch, "workspace", wire_text(str(error))))
            return None
    return session


def _run_batches(channel: Channel, session: Session, host: GuestHost, run: Run) -> None:
    runner = BatchRunner(session, host, SOFT_LIMITS)
    while True:
        try:
            runner.run(run)
        except ChannelClosed:
            raise
        except Exception as error:  # noqa: BLE001 - a bug of ours must be told, not die with the process
            where = traceback.extract_tb(error.__traceback__)[-1]
            detail = f"{type(error).__name__}: {error} ({where.name}, line {where.lineno})"
            host.send(Failed(run.batch, "bug", wire_text(detail)))
        run = channel.receive(Run)
