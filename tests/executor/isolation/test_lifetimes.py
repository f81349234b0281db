"""Whatever of the chain is killed, nothing under it stays: supervisor, launcher, zygote, template."""

from __future__ import annotations

import os
import signal

import psutil
import pytest
from rig import Account, Rig, is_alive, rig, wait_until

CHILDREN = 3
CHAIN = 3
"""Launcher, zygote and template."""


def test_an_orderly_stop_ends_everything(account: Account) -> None:
    with rig(account) as stand:
        stand.order("hold", CHILDREN)
        processes = stand.descendants()
    assert len(processes) == CHILDREN + CHAIN
    assert not any(is_alive(process) for process in processes)


@pytest.mark.parametrize("victim", ["supervisor", "launcher", "zygote", "template"])
@pytest.mark.parametrize("without", [(), ("pidns",)], ids=["", "without a pid namespace"])
def test_nothing_outlives_a_killed(account: Account, victim: str, without: tuple[str, ...]) -> None:
    with rig(account, without) as stand:
        stand.order("hold", CHILDREN)
        processes = stand.descendants()
        assert len(processes) == CHILDREN + CHAIN
        os.kill(_pid_of(victim, stand), signal.SIGKILL)
        wait_until(lambda: not any(is_alive(process) for process in processes), f"all end with the {victim}")


def test_a_stopped_zygote_is_killed_when_its_time_is_up(account: Account) -> None:
    with rig(account) as stand:
        stand.order("hold", CHILDREN)
        os.kill(_pid_of("zygote", stand), signal.SIGSTOP)
        stand.order("stop", 0.1)


def _pid_of(victim: str, stand: Rig) -> int:
    supervisor = psutil.Process(stand.process.pid)
    [launcher] = supervisor.children()
    [zygote] = launcher.children()
    template = min(zygote.children(), key=psutil.Process.create_time)
    chain = {"supervisor": supervisor, "launcher": launcher, "zygote": zygote, "template": template}
    return int(chain[victim].pid)
