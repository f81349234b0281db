"""The life of an interpreter process: load a workspace, run batches until the supervisor closes the channel.

The zygote calls `warm_up` once in the launcher, and in every child `prepare` just before the lock and `serve` behind
it.
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
from statek_policies.language import preload
from statek_protocol.codec import encode
from statek_protocol.messages.base import Message
from statek_protocol.messages.interpreter import Failed, Load, Run

_WARM_UP = b"import math\ntotal = sum(x * x for x in range(3))\nprint(f'{math.sqrt(total):.2f}')\n"


class _NoChannel(Channel):
    """Where the warm-up's messages go."""

    def __init__(self) -> None:
        super().__init__(-1)

    def send(self, message: Message) -> None:
        encode(message)


def warm_up() -> None:
    """Read what guests may need while there are files, and run a batch, so that no child has to build its machinery."""
    preload()
    policy = Policy.load("default")
    load = Load(policy.to_wire(), None, (), ())
    host = GuestHost(_NoChannel(), policy, SOFT_LIMITS)
    BatchRunner(Session(load, policy, host), host, SOFT_LIMITS).run(Run(1, "warm-up", _WARM_UP, 0, 0, ()))


def prepare() -> None:
    """Do what the kernel's filter will not allow any more."""
    SOFT_LIMITS.install()


def serve(fd: int) -> None:
    """Serve one job over the channel; returns when the supervisor closes it."""
    channel = Channel(fd)
    try:
        load = channel.receive(Load)
        run = channel.receive(Run)
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
    policy = Policy.from_wire(load.policy)
    host = GuestHost(channel, policy, SOFT_LIMITS)
    host.begin_batch(run.batch, run.first_call)
    session = Session(load, policy, host)
    if load.workspace is not None:
        try:
            session.restore(load.workspace)
        except MalformedWorkspace as error:
            host.send(Failed(run.batch, "workspace", wire_text(str(error))))
            channel.receive(Run)
    runner = BatchRunner(session, host, SOFT_LIMITS)
    while True:
        runner.run(run)
        run = channel.receive(Run)


def _where(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    return f"{type(error).__name__}: {error} ({' < '.join(f'{f.name}:{f.lineno}' for f in reversed(frames))})"
