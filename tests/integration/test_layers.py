"""A policy's layers against a host that lacks one: no job runs with less than its policy asks for, or fails unsaid."""

from __future__ import annotations

import pytest
from integration.services import Site, finish, wait_for

LAUNCH = (
    "import sys; from statek_executor.zygote import main; sys.exit(main(sys.argv[1:], without=frozenset([{layer!r}])))"
)
LACKING = """
import sys
from statek_executor.supervisor.zygote_client import ZygoteClient
ZygoteClient.__init__.__kwdefaults__["command"] = [sys.executable, "-s", "-P", "-c", {launch!r}]
"""
"""Put into an executor's process by the name `sitecustomize`, it starts zygotes that really lack a layer."""
PROGRAM = "print('ran')"


def lack(site: Site, layer: str) -> None:
    (site.directory / "sitecustomize.py").write_text(LACKING.format(launch=LAUNCH.format(layer=layer)))
    site.environment["PYTHONPATH"] = str(site.directory)


def have_all(site: Site) -> None:
    del site.environment["PYTHONPATH"]


@pytest.mark.parametrize(("layer", "policy"), [("netns", "strict"), ("landlock", "default")])
def test_a_job_whose_layers_this_host_lacks_fails_and_names_them(local: Site, layer: str, policy: str) -> None:
    lack(local, layer)
    run = local.exec("--json", "--policy", policy, source=PROGRAM)
    error = run.json["error"]
    assert (run.status, run.json["console"], error["type"]) == (5, "", "LayersMissing"), run
    assert layer in error["message"]
    assert (f"jobs that need the layer {layer} are run on this host" in run.err) == (policy == "default")
    assert "statek doctor" in error["message"]


def test_a_job_runs_where_only_layers_are_missing_that_its_policy_does_not_name(local: Site) -> None:
    lack(local, "netns")
    assert local.exec("--json", "--policy", "default", source=PROGRAM).json["console"] == "ran\n"


def test_a_job_waits_for_an_executor_that_has_its_layers(local: Site) -> None:
    local.scheduler()
    lack(local, "netns")
    lacking = local.welcomed(local.executor())
    have_all(local)
    waiting = local.exec_in_background("--json", "--policy", "strict", source=PROGRAM)
    assert local.exec("--json", source=PROGRAM).json["console"] == "ran\n"  # the one that lacks a layer is at work
    assert waiting.poll() is None
    local.welcomed(local.executor())
    assert finish(waiting).json["console"] == "ran\n"
    wait_for(lambda: lacking.process.poll() is None, "the first executor lives on")
