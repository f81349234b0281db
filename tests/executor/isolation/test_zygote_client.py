"""A zygote as its supervisor sees it: start, children, their ends, and what goes wrong."""

from __future__ import annotations

import os
import resource
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest
from rig import SUPPORT

from statek_executor.isolation import set_memory_limits
from statek_executor.isolation.lockdown import SERVE_FAILED_CODE
from statek_executor.supervisor.zygote_client import (
    Event,
    Exited,
    Forked,
    ForkRefused,
    Gone,
    ZygoteClient,
    ZygoteFailed,
    probe_posture,
)

DEADLINE_SECONDS = 20.0
LAUNCH = (sys.executable, "-s", "-P", str(SUPPORT / "launch.py"), "")
E = TypeVar("E", bound=Event)


@pytest.fixture
def client() -> Iterator[ZygoteClient]:
    client = ZygoteClient(command=LAUNCH)
    client.start()
    yield client
    client.stop(DEADLINE_SECONDS)


def collect(client: ZygoteClient, enough: Callable[[list[Event]], bool]) -> list[Event]:
    """Read events until there are enough."""
    events: list[Event] = []
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not enough(events):
        assert select.select([client], [], [], deadline - time.monotonic())[0], events
        events += client.read_events()
    return events


def first(client: ZygoteClient, kind: type[E]) -> E:
    """Wait for an event of a kind."""
    events = collect(client, lambda events: any(isinstance(event, kind) for event in events))
    return next(event for event in events if isinstance(event, kind))


def close(child: Forked) -> None:
    os.close(child.pidfd)
    child.sock.close()


def test_a_started_zygote_says_what_children_begin_with(client: ZygoteClient) -> None:
    assert client.ready is not None
    assert 0 < client.ready.baseline_data_bytes < client.ready.baseline_address_bytes < 100 * 1024 * 1024
    assert client.ready.report["no_new_privs"].active


def test_a_child_is_a_process_with_a_socket(client: ZygoteClient) -> None:
    client.fork(7, "hostile")
    child = first(client, Forked)
    assert child.tag == 7
    child.sock.sendall(b'"answer = 1 + 1"\n')
    assert child.sock.recv(100) == b'{"answer": 2}\n'
    assert Path(f"/proc/{child.pid}/status").exists()
    close(child)


def test_a_child_whose_stream_ends_exits_and_is_accounted_for(client: ZygoteClient) -> None:
    client.fork(1, "hostile")
    close(first(client, Forked))
    end = first(client, Exited)
    assert (end.tag, end.exit_code, end.signal) == (1, 0, None)
    assert end.cpu_seconds >= 0
    assert end.max_rss_bytes > 0


def test_a_killed_child_is_reported_with_its_signal(client: ZygoteClient) -> None:
    client.fork(1, "hostile")
    child = first(client, Forked)
    signal.pidfd_send_signal(child.pidfd, signal.SIGKILL)
    assert first(client, Exited).signal == signal.SIGKILL
    close(child)


def test_a_bug_in_an_entry_is_told_apart(client: ZygoteClient) -> None:
    client.fork(1, "broken")
    events = collect(client, lambda events: any(isinstance(event, Exited | ForkRefused) for event in events))
    match events[-1]:
        case Exited(_, code):
            assert code == SERVE_FAILED_CODE
        case ForkRefused(_, reason):  # it ended before its process number could be read
            assert "an error of its own program" in reason
    for event in events:
        if isinstance(event, Forked):
            close(event)


def test_an_unknown_kind_is_refused(client: ZygoteClient) -> None:
    client.fork(1, "no such kind")
    assert first(client, ForkRefused) == ForkRefused(1, "no kind of child is called 'no such kind'")


def test_a_crowd_of_requests_is_served_although_nobody_reads_meanwhile(client: ZygoteClient) -> None:
    number = 400
    for tag in range(number):
        client.fork(tag, "no such kind")
    events = collect(client, lambda events: len(events) == number)
    assert [event.tag for event in events if isinstance(event, ForkRefused)] == list(range(number))


def test_without_a_free_descriptor_here_the_fork_is_refused(client: ZygoteClient) -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    client.fork(1, "hostile")
    assert select.select([client], [], [], DEADLINE_SECONDS)[0]
    resource.setrlimit(resource.RLIMIT_NOFILE, (client.fileno() + 1, limits[1]))
    try:
        events = client.read_events()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    [refused] = events if events else collect(client, bool)
    assert isinstance(refused, ForkRefused)
    assert "no free descriptor" in refused.reason


def test_a_dead_zygote_is_told_once(client: ZygoteClient) -> None:
    os.kill(_zygote_of(client), signal.SIGKILL)
    assert first(client, Gone).reason == "the zygote ended by SIGKILL"
    assert client.read_events() == []
    client.fork(1)


def test_a_dead_template_ends_the_zygote(client: ZygoteClient) -> None:
    os.kill(_template_of(client), signal.SIGKILL)
    assert first(client, Gone).reason.endswith("ended with exit status 1")


def test_a_copy_that_the_kernel_refuses_is_told_and_the_next_one_is_made(client: ZygoteClient) -> None:
    template = _template_of(client)
    before = resource.prlimit(template, resource.RLIMIT_NPROC)
    resource.prlimit(template, resource.RLIMIT_NPROC, (0, before[1]))
    client.fork(1, "hostile")
    assert first(client, ForkRefused).reason.endswith("clone: Resource temporarily unavailable")
    resource.prlimit(template, resource.RLIMIT_NPROC, before)
    client.fork(2, "hostile")
    close(first(client, Forked))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into a process that is not dumpable")
def test_a_copy_holds_its_own_socket_and_nothing_of_the_templates(client: ZygoteClient) -> None:
    for tag in range(3):
        client.fork(tag, "hostile")
        child = first(client, Forked)
        child.sock.sendall(b'"answer = 1"\n')
        assert child.sock.recv(100) == b'{"answer": 1}\n'
        assert os.listdir(f"/proc/{child.pid}/fd") == ["3"]
        close(child)
    assert sorted(os.listdir(f"/proc/{_template_of(client)}/fd"))[:3] == ["0", "1", "2"]


def test_stopping_twice_does_no_harm(client: ZygoteClient) -> None:
    client.stop(DEADLINE_SECONDS)
    client.stop(DEADLINE_SECONDS)


def test_a_launcher_that_fails_gives_its_reason() -> None:
    program = "from statek_executor.zygote import main; main(kinds={'x': 'no_such_module:serve'})"
    failing = ZygoteClient(command=[sys.executable, "-s", "-P", "-c", program])
    with pytest.raises(ZygoteFailed, match="no_such_module"):
        failing.start()


def test_a_launcher_that_imports_what_it_must_not_is_refused() -> None:
    program = "from statek_executor.zygote import main; main(kinds={'x': 'asyncio:run'})"
    failing = ZygoteClient(command=[sys.executable, "-s", "-P", "-c", program])
    with pytest.raises(ZygoteFailed, match="imports asyncio"):
        failing.start()


def test_a_launcher_that_says_nothing_is_given_up() -> None:
    with pytest.raises(ZygoteFailed, match="exit status 3"):
        ZygoteClient(command=[sys.executable, "-c", "raise SystemExit(3)"]).start()
    with pytest.raises(ZygoteFailed, match="not ready after"):
        ZygoteClient(command=[sys.executable, "-c", "import signal; signal.pause()"], start_seconds=0.1).start()


def test_limits_are_never_set_on_the_caller_by_mistake() -> None:
    for pid in (0, -1):
        with pytest.raises(ProcessLookupError):
            set_memory_limits(pid, data_bytes=1, address_bytes=1)


def test_probing_leaves_no_process_behind(client: ZygoteClient) -> None:
    before = _children(_zygote_of(client))
    probe_posture(client, DEADLINE_SECONDS)
    assert _children(_zygote_of(client)) <= before


def _zygote_of(client: ZygoteClient) -> int:
    launcher = next(pid for pid in _children(os.getpid()) if "launch.py" in Path(f"/proc/{pid}/cmdline").read_text())
    [zygote] = _children(launcher)
    return zygote


def _template_of(client: ZygoteClient) -> int:
    """The zygote's first child; nothing else was asked for yet."""
    return min(_children(_zygote_of(client)))


def _children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}
