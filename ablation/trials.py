"""Runs stands, one for each configuration, and collects how each escape ended in each of them.

As root it runs them twice: as root and, where this machine has an interpreter for that, as an ordinary user.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from ablation import native
from ablation.configurations import Configuration

HERE: Final = Path(__file__).parent
STAND_SECONDS: Final = 120.0
OUTLIVING_SECONDS: Final = 2.0
"""A child that is alive so long after its supervisor was killed has outlived it."""

End: TypeAlias = Literal["out", "held", "nobody"]


@dataclass(frozen=True, slots=True)
class Account:
    """A user whose supervisor is put to the test."""

    name: str
    python: Sequence[str]
    package: Path
    """The folder that holds this one, where that user can read it."""
    root: bool


@dataclass
class Results:
    """How escapes ended: ends[configuration][escape]."""

    ends: dict[str, dict[str, End]] = field(default_factory=dict)
    details: dict[str, dict[str, str]] = field(default_factory=dict)

    def add(self, configuration: str, title: str, end: End, detail: str) -> None:
        self.ends.setdefault(configuration, {})[title] = end
        self.details.setdefault(configuration, {})[title] = detail


class StandFailed(Exception):
    """A stand did not come to its end: nothing is known of what it was to try."""


def run(
    account: Account,
    kind: str,
    configurations: Iterable[Configuration],
    *,
    titles: Sequence[str] | None = None,
    tell: Callable[[str], None] = lambda _: None,
) -> Results:
    """Try escapes (all, or those named) in each configuration; raises StandFailed."""
    results = Results()
    with _setuid_program(account) as setuid:
        for configuration in configurations:
            tell(f"{account.name}: {kind}: {configuration.name}")
            order: dict[str, object] = {
                "kind": kind,
                "active": sorted(configuration.active),
                "titles": titles,
                "setuid": setuid,
            }
            for title, end, detail in _answers(account, order):
                results.add(configuration.name, title, end, detail)
            if kind == "native" and (titles is None or native.OUTLIVE.title in titles):
                results.add(
                    configuration.name, native.OUTLIVE.title, *_outliving(account, {**order, "kind": "outlive"})
                )
    return results


def _answers(account: Account, order: dict[str, object]) -> Iterator[tuple[str, End, str]]:
    done = subprocess.run(
        _command(account, order),
        cwd=account.package,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=STAND_SECONDS,
        check=False,
    )
    if done.returncode != 0:
        raise StandFailed(f"{order}: {done.stderr[-2000:]}")
    for line in done.stdout.splitlines():
        yield tuple(json.loads(line))


def _outliving(account: Account, order: dict[str, object]) -> tuple[End, str]:
    """Kill a stand and see whether a child of its zygote is still there some time later."""
    pipe = subprocess.PIPE
    stand = subprocess.Popen(_command(account, order), cwd=account.package, stdin=pipe, stdout=pipe, text=True)
    assert stand.stdout is not None
    assert stand.stdin is not None
    try:
        line = stand.stdout.readline()
        if not line:
            raise StandFailed(f"{order}: no word of a child")
        pid, detail = json.loads(line)
        if pid is None:
            return "nobody", detail
        return ("out" if _is_left_by(stand, pid) else "held"), ""
    finally:
        stand.kill()
        stand.wait()
        stand.stdin.close()
        stand.stdout.close()


def _is_left_by(stand: subprocess.Popen[str], pid: int) -> bool:
    """Kill the stand; whether this process is still there a while later. It is not there for long."""
    try:
        watched = os.pidfd_open(pid)
    except ProcessLookupError:
        return False  # it has not even outlived its own attempt
    try:
        stand.kill()
        if select.select([watched], [], [], OUTLIVING_SECONDS)[0]:
            return False
        signal.pidfd_send_signal(watched, signal.SIGKILL)
        return True
    finally:
        os.close(watched)


def _command(account: Account, order: dict[str, object]) -> list[str]:
    return [*account.python, "-m", "ablation.stand", json.dumps(order)]


@contextmanager
def _setuid_program(account: Account) -> Iterator[str | None]:
    """A program that runs as root for whoever starts it; only root can plant one."""
    if os.geteuid() != 0:
        yield None
        return
    directory = Path(tempfile.mkdtemp(prefix="statek-ablation-setuid-"))
    try:
        directory.chmod(0o755)
        program = Path(shutil.copy("/usr/bin/id", directory / "id"))
        program.chmod(0o4755)
        yield str(program)
    finally:
        shutil.rmtree(directory)


@contextmanager
def accounts() -> Iterator[list[Account]]:
    """The accounts that can be tried here: our own and, for root, an ordinary user's too."""
    root = os.geteuid() == 0
    found = [Account("root" if root else "ordinary user", [sys.executable, "-s"], HERE.parent, root)]
    with ExitStack() as stack:
        if root:
            found += stack.enter_context(_ordinary())
        yield found


@contextmanager
def _ordinary() -> Iterator[list[Account]]:
    sys.path.insert(0, str(HERE.parent / "tests"))
    from ordinary_user import NotAvailable, ordinary_user

    directory = Path(tempfile.mkdtemp(prefix="statek-ablation-user-"))
    try:
        user = ordinary_user(directory)
        shutil.copytree(HERE, directory / "ablation", ignore=shutil.ignore_patterns("__pycache__"))
        yield [Account("ordinary user", user.command("-s"), directory, root=False)]
    except NotAvailable as reason:
        print(f"scripts/ablate: no ordinary user: {reason}", file=sys.stderr)
        yield []
    finally:
        shutil.rmtree(directory)
