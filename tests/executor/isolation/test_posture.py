"""The posture of this host: what probes find, what they find when a layer is missing, how it crosses the wire."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import pytest
from rig import SUPPORT, Account, Rig, own_account, rig

from statek_executor.isolation import LAYERS, LayerState, Posture

BASE = {"no_new_privs", "rlimits", "seccomp", "landlock", "fds", "environment", "nondumpable"}
PTRACE, UNSHARE, KEYCTL = (101, 272, 250) if platform.machine() == "x86_64" else (117, 97, 219)
NAMESPACES = {"userns", "netns", "pidns", "ipcns", "mntns", "utsns"}


def test_the_base_needs_no_rights_and_holds_for_every_account(guest: Rig) -> None:
    posture = Posture.from_wire(guest.order("posture"))
    assert posture.active >= BASE, posture


def test_namespaces_hold_wherever_one_of_them_does(guest: Rig) -> None:
    """A host gives all of them or, without user namespaces and CAP_SYS_ADMIN, none."""
    posture = Posture.from_wire(guest.order("posture"))
    assert posture.active & NAMESPACES in (NAMESPACES, set()), posture


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give up a part of root's rights")
@pytest.mark.parametrize("capabilities", ["-sys_admin,-sys_resource,-sys_ptrace,-net_admin", "-all"])
def test_root_of_a_container_gets_the_base_and_reasons_for_the_rest(capabilities: str) -> None:
    shrink = ["setpriv", f"--bounding-set={capabilities}", f"--inh-caps={capabilities}", "env"]
    with rig(Account([*shrink, *own_account().python], SUPPORT)) as stand:
        posture = Posture.from_wire(stand.order("posture"))
    assert posture.active >= BASE, posture
    assert all(state.detail for state in posture.layers.values())


def test_an_ordinary_user_is_told_how_to_get_a_user_for_guests(ordinary_account: Account) -> None:
    with rig(ordinary_account) as stand:
        state = Posture.from_wire(stand.order("posture")).layers["uid"]
    assert not state.active
    assert "root" in state.detail


@pytest.mark.parametrize("layer", LAYERS)
def test_a_layer_that_is_left_out_is_found_missing(layer: str) -> None:
    with rig(own_account(), without=[layer]) as stand:
        posture = Posture.from_wire(stand.order("posture"))
    assert layer not in posture.active
    assert posture.layers[layer].detail


def test_a_posture_survives_the_wire() -> None:
    posture = Posture({name: LayerState(name != "uid", f"about {name}") for name in LAYERS})
    assert Posture.from_wire(posture.to_wire()) == posture


@pytest.mark.parametrize("value", [None, [], {}, {"seccomp": [True, ""]}, {name: [1, ""] for name in LAYERS}])
def test_what_is_no_posture_is_refused(value: object) -> None:
    with pytest.raises(ValueError, match=r"posture|state"):
        Posture.from_wire(value)


def test_a_child_without_the_filter_still_cannot_reach_what_its_siblings_and_its_session_have(account: Account) -> None:
    """What a single wall must not hold alone: `scripts/ablate` says which escapes that would be."""
    with rig(account, ["seccomp"]) as stand:
        [neighbour] = stand.order("hold", 1)
        inner = next(line for line in Path(f"/proc/{neighbour}/status").read_text().splitlines() if "NSpid" in line)
        for attempt in (
            f"os.kill({inner.split()[-1]}, 0)",
            f"answer = syscall({PTRACE}, 0x4206, {inner.split()[-1]}, 0, 0)",
            "os.kill(os.getppid(), 0)",
        ):
            assert stand.run(attempt).get("errno") == "EPERM", attempt
        assert stand.run(f"syscall({UNSHARE}, 0x10000000)").get("errno") in ("ENOSPC", "EPERM")
        assert stand.run(f"answer = syscall({KEYCTL}, 11, -3, 0, 0)").get("answer") == 0
