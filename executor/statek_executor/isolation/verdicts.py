"""What the findings of the probes mean for each layer. Pure: facts in, posture out.

A layer is active when its probe saw it work and, for what the zygote arranges, the zygote says that it arranged it: a
host without a network also refuses to send, which proves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from statek_executor.isolation.landlock import SCOPING_ABI
from statek_executor.isolation.namespaces import HOST_NAME
from statek_executor.isolation.posture import LayerState, Posture
from statek_policies import LAYERS

KILLED: Final = "SIGSYS"
MEMORY_ATTEMPT: Final = "have more memory than the limit"
FILE_ATTEMPT: Final = "open a file"
DEADLY_ATTEMPTS: Final = (
    "make a socket",
    "make a process",
    "run a program",
    "signal a process",
    "map executable memory",
    "read another descriptor",
    "write to another descriptor",
)


@dataclass(frozen=True, slots=True)
class Findings:
    """What one round of probes brought to light."""

    evidence: Mapping[str, Any]
    """What a child saw before the filter, under the names that `probes` gives."""
    answers: Mapping[str, str | None]
    """What became of attempts behind the filter: an error's name, a signal's name, or None for "it was allowed"."""
    outer_uid: int
    outer_pid: int
    """The child as the supervisor sees it."""
    supervisor_uid: int
    supervisor_host_name: str


Fact: TypeAlias = tuple[bool, str]
"""Whether it was seen, and what."""


def judge(report: Mapping[str, LayerState], findings: Findings) -> Posture:
    """Weigh what the zygote claims against what the probes saw."""
    return Posture({layer: _state(report.get(layer), _FACTS[layer](findings)) for layer in LAYERS})


def _state(claim: LayerState | None, facts: list[Fact]) -> LayerState:
    if claim is not None and not claim.active:
        return claim
    missing = [text for seen, text in facts if not seen]
    if missing:
        return LayerState(False, f"a probe did not see that {' and '.join(missing)}")
    return LayerState(True, "; ".join([text for _, text in facts] + ([claim.detail] if claim else [])))


def _no_new_privs(found: Findings) -> list[Fact]:
    return [
        (found.evidence["no_new_privs"] == 1, "the flag is set"),
        (found.evidence["capabilities"] == 0, "no capability is held"),
        (found.evidence["become_another"] in ("EPERM", "EINVAL"), "becoming another user is refused"),
        (found.evidence["make_namespace"] == "EPERM", "making a namespace is refused"),
    ]


def _rlimits(found: Findings) -> list[Fact]:
    return [
        (found.evidence["limits"] is True, "each limit is in force"),
        (found.evidence["free_descriptors"] in range(4), "no descriptor above the socket can be made"),
        (found.answers[MEMORY_ATTEMPT] == "memory", "a memory limit set from outside gives a MemoryError"),
    ]


def _seccomp(found: Findings) -> list[Fact]:
    deaths = [(found.answers[name] == KILLED, f"an attempt to {name} ends the child") for name in DEADLY_ATTEMPTS]
    return [(found.answers[FILE_ATTEMPT] == "EPERM", f"an attempt to {FILE_ATTEMPT} is refused"), *deaths]


def _landlock(found: Findings) -> list[Fact]:
    refused = [(found.evidence["open_root"] == "EACCES", "opening the root directory is refused")]
    if found.evidence["landlock_abi"] in range(SCOPING_ABI):
        return refused
    return [*refused, (found.evidence["signal_zygote"] == "EPERM", "a signal to the zygote is refused")]


def _fds(found: Findings) -> list[Fact]:
    return [(found.evidence["descriptors"] == [3], "the socket is the only open descriptor")]


def _environment(found: Findings) -> list[Fact]:
    return [
        (found.evidence["environment"] == 0, "the environment is empty"),
        (found.evidence["session_key_bytes"] in (0, "ENOSYS", "EPERM"), "no key is within reach"),
    ]


def _uid(found: Findings) -> list[Fact]:
    return [
        (found.outer_uid not in (0, found.supervisor_uid), "the child's user is neither root nor the supervisor's"),
        (found.evidence["uid"] != 0, "the child does not see itself as root"),
    ]


def _userns(found: Findings) -> list[Fact]:
    return [(found.evidence["uid"] != found.outer_uid, "the child's user has another number inside")]


def _netns(found: Findings) -> list[Fact]:
    return [
        (found.evidence["interfaces"] == ["lo"], "loopback is the only network interface"),
        (found.evidence["send_to_loopback"] == "ENETUNREACH", "sending to it is refused"),
    ]


def _pidns(found: Findings) -> list[Fact]:
    return [(found.evidence["pid"] != found.outer_pid, "the child has another process number inside")]


def _ipcns(found: Findings) -> list[Fact]:
    return [(found.evidence["shared_memory"] == "EINVAL", "shared memory of the supervisor does not exist inside")]


def _mntns(found: Findings) -> list[Fact]:
    return [
        (found.evidence["known_paths"] == [], "no well-known directory exists inside"),
        (found.evidence["root_is_read_only"] is True, "the root is read-only"),
    ]


def _utsns(found: Findings) -> list[Fact]:
    name = found.evidence["host_name"]
    return [(name == HOST_NAME != found.supervisor_host_name, "the child sees another host name")]


def _nondumpable(found: Findings) -> list[Fact]:
    return [(found.evidence["dumpable"] == 0, "the flag is cleared")]


_FACTS: Final[Mapping[str, Callable[[Findings], list[Fact]]]] = {
    "no_new_privs": _no_new_privs,
    "rlimits": _rlimits,
    "seccomp": _seccomp,
    "landlock": _landlock,
    "fds": _fds,
    "environment": _environment,
    "uid": _uid,
    "userns": _userns,
    "netns": _netns,
    "pidns": _pidns,
    "ipcns": _ipcns,
    "mntns": _mntns,
    "utsns": _utsns,
    "nondumpable": _nondumpable,
}
