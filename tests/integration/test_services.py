"""Scheduler and executor as services: they stop cleanly, leave nothing behind, and refuse what they cannot do."""

from __future__ import annotations

import asyncio
import gc
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from integration.services import Command, Site, finish, gone, wait_for
from ordinary_user import NotAvailable, ordinary_user

from statek.service.options import ServiceOptions
from statek.service.service import Service
from statek.store.directory import StoreDirectory
from statek_protocol import version

SPIN = "print('on')\nx = 0\nwhile True: x += 1\n"


def interpreters(executor: Command) -> list[psutil.Process]:
    return [process for process in executor.tree() if not process.children()]


def spinning(site: Site) -> subprocess.Popen[str]:
    """A job in the middle of its work."""
    running = site.exec_in_background("--limit", "cpu_seconds=60", source=SPIN)
    assert running.stdout is not None
    assert running.stdout.readline() == "on\n"
    return running


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_an_executor_stops_in_good_order(local: Site, number: int) -> None:
    local.scheduler()
    executor = local.welcomed(local.executor())
    running = spinning(local)
    tree = executor.tree()
    executor.kill(number)
    assert executor.wait() == 0
    gone(tree, 5)
    running.kill()
    running.communicate()


def test_a_scheduler_that_is_stopped_while_it_starts_begins_what_it_ends(tmp_path: Path) -> None:
    """Otherwise Python warns of coroutines that were never awaited, which fails this test and worries an operator."""

    async def main() -> None:
        directory = StoreDirectory.create_or_open(tmp_path / "store")
        service = Service(directory, directory.lock(), ServiceOptions(keys=tmp_path / "keys"))
        service.stop()
        await service.run(lambda _: None)
        assert not directory.is_locked()

    asyncio.run(main())
    gc.collect()


@pytest.mark.parametrize("part", ["supervisor", "launcher", "zygote"])
def test_nothing_of_an_executor_survives_a_sigkill(local: Site, part: str) -> None:
    local.scheduler()
    executor = local.welcomed(local.executor())
    running = spinning(local)
    supervisor, launcher, zygote = executor.tree()[:3]
    victim = {"supervisor": supervisor, "launcher": launcher, "zygote": zygote}[part]
    below = [victim, *victim.children(recursive=True)]
    victim.kill()
    gone(below, 5)
    running.kill()
    running.communicate()


def test_a_zygote_that_died_while_idle_is_replaced(local: Site) -> None:
    local.scheduler()
    executor = local.welcomed(local.executor())
    zygote = executor.tree()[2]
    zygote.kill()
    gone([zygote])
    assert local.exec(source="print('again')").out == "again\n"


def test_a_scheduler_with_a_local_pool_takes_it_along_when_it_is_killed(local: Site) -> None:
    scheduler = local.embedded_scheduler()
    assert local.exec(source="print(1)").out == "1\n"
    tree = wait_for(lambda: scheduler.tree() if len(scheduler.tree()) > 3 else None, "the local pool")
    scheduler.kill()
    scheduler.wait()
    gone(tree)


def test_a_local_pool_that_is_killed_is_started_again(local: Site) -> None:
    scheduler = local.embedded_scheduler()
    assert local.exec(source="print(1)").out == "1\n"
    psutil.Process(scheduler.process.pid).children()[0].kill()
    assert local.exec(source="print(2)").out == "2\n"


def test_a_store_that_another_scheduler_holds_is_refused(local: Site) -> None:
    local.scheduler()
    command = [*local.python, "-m", "statek", "scheduler", "--store", str(local.store)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2
    assert str(local.commands[0].process.pid) in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_endpoint_in_use_is_refused(over_tcp: Site) -> None:
    port = int(over_tcp.endpoint.rpartition(":")[2])
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        scheduler = over_tcp.scheduler()
        assert scheduler.wait() == 1
    assert over_tcp.endpoint in scheduler.log.read_text()
    assert "in use" in scheduler.log.read_text()


def test_a_local_endpoint_in_use_is_refused_and_its_owner_keeps_it(local: Site, tmp_path: Path) -> None:
    local.scheduler()
    command = [
        *local.python,
        "-m",
        "statek",
        "scheduler",
        "--store",
        str(tmp_path / "other"),
        "--listen",
        local.endpoint,
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "in use" in done.stderr
    local.welcomed(local.executor())


@pytest.mark.parametrize("endpoint", ["http://x", "tcp://nowhere", "tcp://h:99999", "ipc:///no/such/dir/x.sock"])
def test_an_endpoint_that_is_none_is_refused_by_both(local: Site, endpoint: str) -> None:
    for module, arguments in (
        ("statek", ["scheduler", "--store", str(local.store), "--listen", endpoint]),
        ("statek_executor", ["--connect", endpoint]),
    ):
        command = [*local.python, "-m", module, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode in (1, 2)
        assert endpoint.removeprefix("ipc://").rpartition("/")[0] in done.stderr
        assert "Traceback" not in done.stderr


OTHER_VERSION = """
import sys
from statek_protocol import version
version.PROTOCOL_VERSION = {other}
from statek_executor.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_an_executor_of_another_protocol_version_is_refused_with_the_way_out(local: Site) -> None:
    scheduler = local.scheduler()
    program = OTHER_VERSION.format(other=version.PROTOCOL_VERSION + 1)
    command = [*local.python, "-c", program, "--connect", local.endpoint]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert f"version {version.PROTOCOL_VERSION + 1}" in done.stderr
    assert "install the same" in done.stderr
    assert "Traceback" not in done.stderr
    assert scheduler.process.poll() is None


def test_services_work_over_tcp_with_keys_that_nobody_had_to_copy(over_tcp: Site) -> None:
    over_tcp.scheduler()
    over_tcp.welcomed(over_tcp.executor())
    assert over_tcp.exec(source="print('encrypted')").out == "encrypted\n"


def test_an_executor_with_an_unknown_key_is_not_let_in_and_is_told_why(over_tcp: Site, tmp_path: Path) -> None:
    over_tcp.scheduler()
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "scheduler.key").write_bytes((tmp_path / "config/statek/keys/scheduler.key").read_bytes())
    executor = over_tcp.executor("--keys", str(stranger))
    assert executor.wait() == 1
    assert executor.said(f"copy {stranger}/executor.key into the authorized/ directory")
    (tmp_path / "config/statek/keys/authorized").mkdir()
    (stranger / "executor.key").rename(tmp_path / "config/statek/keys/authorized/stranger.key")
    over_tcp.welcomed(over_tcp.executor("--keys", str(stranger)))


def test_the_executor_may_be_there_before_the_scheduler(local: Site) -> None:
    executor = local.executor()
    wait_for(lambda: executor.said(f"no scheduler has answered at {local.endpoint}"), "a word about the silence")
    local.scheduler()
    local.welcomed(executor)
    assert local.exec(source="print('late')").out == "late\n"


def test_a_job_waits_for_an_executor_and_runs_when_one_comes(local: Site) -> None:
    local.scheduler()
    running = local.exec_in_background(source="print('at last')")
    assert running.stderr is not None
    assert "no executor is connected" in running.stderr.readline()
    local.executor()
    assert finish(running).out == "at last\n"


def test_a_store_whose_path_is_too_long_for_a_socket_is_refused_or_works(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / "store"
    deep.parent.mkdir()
    command = [sys.executable, "-P", "-m", "statek", "exec", "--store", str(deep), "-"]
    done = subprocess.run(command, input="print(1)", capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, "1\n") or (done.returncode == 2 and str(deep) in done.stderr)


@pytest.fixture
def public_directory() -> Iterator[Path]:
    """A directory that everybody may enter, which pytest's own are not."""
    directory = Path(tempfile.mkdtemp(prefix="statek-ordinary-"))
    directory.chmod(0o755)
    yield directory
    shutil.rmtree(directory)


def test_everything_works_for_an_ordinary_user(public_directory: Path) -> None:
    directory = public_directory
    packages = (
        *("statek", "statek_protocol", "statek_policies", "statek_executor"),
        *("msgpack", "RestrictedPython", "zmq", "click", "dbzero", "fasteners"),
        *("pydantic", "pydantic_core", "annotated_types", "typing_extensions", "typing_inspection"),
    )
    try:
        user = ordinary_user(directory, packages)
    except NotAvailable as reason:
        pytest.skip(f"no interpreter for an ordinary user: {reason}")
    home = directory / "home"
    home.mkdir(mode=0o777)
    home.chmod(0o777)
    program = home / "program.py"
    program.write_text("import math\nprint('pi', round(math.pi, 3))\n")
    program.chmod(0o644)
    command = user.command("-m", "statek", "exec", "--store", str(home / "store"), str(program))
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(home)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False, env=environment, cwd="/")
    assert (done.returncode, done.stdout) == (0, "pi 3.142\n"), done.stderr
