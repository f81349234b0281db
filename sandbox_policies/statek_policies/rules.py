"""What a refusal is called, and the names of the layers that a policy can require of a host."""

from dataclasses import dataclass
from typing import Final, Literal

Layer = Literal["compile", "runtime", "values", "limits", "kernel", "scheduler"]

LAYERS: Final = (
    "no_new_privs",
    "rlimits",
    "seccomp",
    "landlock",
    "fds",
    "environment",
    "uid",
    "userns",
    "netns",
    "pidns",
    "ipcns",
    "mntns",
    "utsns",
    "nondumpable",
)
"""The layers of an executor's posture, each proved by a probe from inside; in the order in which people read them."""

BASE_LAYERS = frozenset({"no_new_privs", "rlimits", "seccomp", "landlock", "fds", "environment"})
"""What works without root on any supported kernel; no profile of ours asks for less."""

OnViolation = Literal["refuse", "end", "hold"]
"""What a violation means for its job."""

ON_VIOLATION: Final = {
    "refuse": "the attempt is refused; the batch ends as blocked unless the guest handles it, and the job goes on",
    "hold": "the batch ends as blocked, and the job stands still until a person releases or ends it",
    "end": "the batch ends as blocked, and the job with it: nothing more is run in it",
}
"""By what a policy says: what follows, from the mildest to the strictest."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One attempt to do what the policy refuses."""

    rule: str
    """A stable dotted name such as `import.not_offered`."""
    detail: str
    """One sentence: what was refused and what is allowed instead."""
    line: int | None
    """The guest's own line, from 1, where it is known."""
    layer: Layer

    def __str__(self) -> str:
        where = f"line {self.line}: " if self.line is not None else ""
        return f"{where}{self.detail} [{self.rule}]"
