"""A supervisor that is told to stop stops, whatever it is saying at that moment."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from statek_executor.supervisor.service import Supervisor
from statek_protocol.messages.executor import Pull


async def stop_while_a_message_leaves() -> None:
    """The message is on its way in the very moment in which the one who says it is cancelled."""
    left: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    supervisor = cast(Any, SimpleNamespace(_uplink=SimpleNamespace(send=lambda _: left)))
    saying = asyncio.create_task(Supervisor._say(supervisor, Pull(1), 60))
    while not left._callbacks:  # until somebody waits for it
        await asyncio.sleep(0)
    left.set_result(None)
    saying.cancel()
    await saying


def test_an_order_to_stop_is_not_lost_with_a_message_that_has_just_left() -> None:
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(stop_while_a_message_leaves())
