"""statek doctor: what it says of this host, for whoever asks, and of hosts that lack something."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
from integration.services import Run, gone
from ordinary_user import NotAvailable, ordinary_user

from statek_policies import BASE_LAYERS, LAYERS, Policy

LAUNCH = Path(__file__).parents[1] / "executor" / "isolation" / "support" / "launch.py"
NAMESPACES = {"userns", "netns", "pidns", "ipcns", "mntns", "utsns"}
LEFT_OUT = """
import sys
from statek_executor.supervisor.zygote_client import ZygoteClient
ZygoteClient.__init__.__kwdefaults__["command"] = [sys.executable, "-s", "-P", {launch!r}, {layer!r}]
"""
"""Put into the executor's process, it starts zygotes that really lack a layer."""


def doctor(*arguments: str, prefix: Sequence[str] = (sys.executable,), **environment: str) -> Run:
    command = [*prefix, "-P", "-m", "statek", "doctor", *arguments]
    everything = {"PATH": "/usr/bin:/bin", **environment}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, env=everything, cwd="/")
    assert "Traceback" not in done.stderr
    return Run(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def ordinary() -> Iterator[list[str]]:
    """The command of a Python that has statek and runs as an ordinary user."""
    directory = Path(tempfile.mkdtemp(prefix="statek-ordinary-"))
    directory.chmod(0o755)
    ours = ("statek", "statek_protocol", "statek_policies", "statek_executor")
    try:
        yield ordinary_user(directory, (*ours, "msgpack", "RestrictedPython", "zmq", "click")).command()
    except NotAvailable as reason:
        pytest.skip(f"no interpreter for an ordinary user: {reason}")
    finally:
        shutil.rmtree(directory)


def assert_consistent(answer: dict[str, Any], status: int) -> None:
    """The answer has every layer and every profile, and its parts agree."""
    assert answer["host"] == platform.node()
    assert set(answer["layers"]) == set(LAYERS)
    assert set(answer["profiles"]) == set(Policy.profiles())
    inactive = {name for name, layer in answer["layers"].items() if not layer["active"]}
    for name, profile in answer["profiles"].items():
        assert set(profile["missing"]) == Policy.load(name).required_layers & inactive
        assert profile["ok"] == (not profile["missing"])
    assert all(layer["detail"] for layer in answer["layers"].values())
    assert status == (0 if answer["profiles"]["default"]["ok"] else 1)


def test_it_answers_one_json_object_whose_parts_agree() -> None:
    found = doctor("--json")
    assert_consistent(found.json, found.status)
    assert not found.err


def test_an_ordinary_user_can_serve_the_default_profile_and_is_told_what_only_root_has(ordinary: list[str]) -> None:
    found = doctor("--json", prefix=ordinary)
    assert_consistent(found.json, found.status)
    assert found.status == 0
    assert found.json["layers"]["uid"]["active"] is False
    assert "uid" not in found.json["profiles"]["strict"]["missing"]
    assert "root" in found.json["layers"]["uid"]["detail"]


def test_people_get_a_table_with_every_layer_and_profile_in_aligned_columns(ordinary: list[str]) -> None:
    found = doctor(prefix=ordinary)
    rows = {words[0]: line for line in found.out.splitlines() if (words := line.split()) and line.startswith("  ")}
    assert rows.keys() >= set(LAYERS) | set(Policy.profiles())
    starts = {rows[name].index(state) for name in LAYERS for state in ("active", "MISSING") if state in rows[name]}
    assert len(starts) == 1
    assert "start the executor as root" in " ".join(found.out.split())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up root's rights")
def test_root_of_a_container_learns_how_to_get_the_namespaces_that_it_lacks() -> None:
    shrink = ["setpriv", "--bounding-set=-all", "--inh-caps=-all", "env", sys.executable]
    found = doctor("--json", prefix=shrink)
    assert_consistent(found.json, found.status)
    if not found.json["layers"]["netns"]["active"]:
        assert set(found.json["profiles"]["strict"]["missing"]) >= NAMESPACES - {"userns"}
        assert "CAP_SYS_ADMIN" in found.json["layers"]["netns"]["detail"]


@pytest.mark.parametrize("layer", sorted(BASE_LAYERS))
def test_a_host_without_a_base_layer_cannot_serve_the_default_profile(layer: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(LEFT_OUT.format(launch=str(LAUNCH), layer=layer))
    found = doctor("--json", PYTHONPATH=str(tmp_path))
    assert_consistent(found.json, found.status)
    assert found.status == 1
    assert layer in found.json["profiles"]["default"]["missing"]


def test_a_host_that_cannot_be_probed_has_no_layer_and_says_why(tmp_path: Path) -> None:
    broken = "from statek_executor.supervisor.zygote_client import ZygoteClient\n"
    broken += "ZygoteClient.__init__.__kwdefaults__['command'] = ['/bin/false']\n"
    (tmp_path / "sitecustomize.py").write_text(broken)
    found = doctor("--json", PYTHONPATH=str(tmp_path))
    assert_consistent(found.json, found.status)
    assert found.status == 1
    assert "the zygote did not start" in found.json["layers"]["seccomp"]["detail"]
    assert "every layer: not probed" in doctor(PYTHONPATH=str(tmp_path)).out


def test_it_leaves_no_process_behind() -> None:
    before = set(psutil.Process().children(recursive=True))
    doctor("--json")
    gone([process for process in psutil.process_iter() if _is_new_zygote(process)])
    assert set(psutil.Process().children(recursive=True)) <= before


def _is_new_zygote(process: psutil.Process) -> bool:
    """A zygote without a living parent of its own: what an executor that ended would have left."""
    try:
        return "statek_executor.zygote" in process.cmdline() and process.ppid() == 1
    except psutil.Error:
        return False


def test_the_executor_prints_its_posture_without_a_scheduler() -> None:
    command = [sys.executable, "-P", "-m", "statek_executor", "--posture"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    posture = json.loads(done.stdout)
    assert set(posture) == set(LAYERS)
    assert all(set(layer) == {"active", "detail"} for layer in posture.values())


def test_the_executor_wants_either_an_endpoint_or_the_posture() -> None:
    command = [sys.executable, "-P", "-m", "statek_executor"]
    for arguments in ([], ["--posture", "--connect", "ipc:///tmp/x"]):
        done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 2
        assert "--posture" in done.stderr
