"""The fixtures of every folder that tests the wall; a conftest takes them from here."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from ordinary_user import NotAvailable, ordinary_user
from rig import SUPPORT, Account, Rig, own_account, rig, wait_until


@pytest.fixture(scope="session", autouse=True)
def _no_process_is_left() -> Iterator[None]:
    before = set(psutil.Process().children(recursive=True))
    yield
    wait_until(lambda: set(psutil.Process().children(recursive=True)) <= before, "every process has ended")


@pytest.fixture(scope="session")
def ordinary_account() -> Iterator[Account]:
    """An account that is not root's, whoever runs the tests."""
    if os.geteuid() != 0:
        yield own_account()
        return
    directory = Path(tempfile.mkdtemp(prefix="statek-ordinary-"))
    try:
        shutil.copytree(SUPPORT, directory / "support", ignore=shutil.ignore_patterns("__pycache__"))
        yield Account(ordinary_user(directory).command("-s", "-P"), directory / "support")
    except NotAvailable as reason:
        pytest.skip(str(reason))
    finally:
        shutil.rmtree(directory)


@pytest.fixture(scope="session", params=["own", "ordinary"])
def account(request: pytest.FixtureRequest) -> Account:
    """Each kind of account that an executor may run under."""
    if request.param == "own":
        return own_account()
    if os.geteuid() != 0:
        pytest.skip("the tests run as an ordinary user already")
    ordinary: Account = request.getfixturevalue("ordinary_account")
    return ordinary


@pytest.fixture(scope="session")
def guest(account: Account) -> Iterator[Rig]:
    """A stand whose children run what they are sent."""
    with rig(account) as running:
        yield running
