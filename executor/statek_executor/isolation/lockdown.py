"""What a child gives up between its fork and its first line of guest code: a table of steps, taken in order.

A step that fails ends the child with an exit code of its own; there is no half-locked child. The code is how the
supervisor learns which step it was: at that point the child has nobody to write to.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from statek_executor.isolation import kernel, limits, privileges
from statek_executor.isolation.seccomp import CHILD_FD, Filter

FIRST_STEP_CODE: Final = 100
"""Exit code of a child whose first step failed; the next steps follow."""
SERVE_FAILED_CODE: Final = 99
"""Exit code of a child whose entry raised: a bug of ours, since what guests raise is caught inside."""

_HIGHEST_DESCRIPTOR: Final = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Birth:
    """What the zygote hands to the child that it just forked."""

    socket: int
    """The descriptor of the child's end, wherever it happens to be."""
    zygote: int
    """The zygote's pid as its children see it."""
    prepare: Callable[[], None]
    """The entry's own preparation, which still may make every system call."""
    filter: Filter


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a child does to itself."""

    name: str
    take: Callable[[Birth], None]


def _leave_session(birth: Birth) -> None:
    os.setsid()


def _end_with_zygote(birth: Birth) -> None:
    privileges.end_with_parent()
    if os.getppid() != birth.zygote:
        raise ProcessLookupError("the zygote has ended")


def _take_socket(birth: Birth) -> None:
    """Put the socket where the filter expects it, over the zygote's control socket."""
    if birth.socket != CHILD_FD:
        os.dup2(birth.socket, CHILD_FD)


def _close_others(birth: Birth) -> None:
    kernel.close_range(0, CHILD_FD - 1)
    kernel.close_range(CHILD_FD + 1, _HIGHEST_DESCRIPTOR)


def _bind_limits(birth: Birth) -> None:
    limits.bind_child()


def _prepare(birth: Birth) -> None:
    birth.prepare()


def _filter_system_calls(birth: Birth) -> None:
    birth.filter.install()


STEPS: Final = (
    Step("session", _leave_session),
    Step("parent", _end_with_zygote),
    Step("socket", _take_socket),
    Step("fds", _close_others),
    Step("rlimits", _bind_limits),
    Step("prepare", _prepare),
    Step("seccomp", _filter_system_calls),
)
"""In this order: the filter comes last because it forbids all the others.

What a fork inherits is not repeated here: namespaces, identity, no_new_privs, Landlock, the dumpable flag, the empty
environment and the absence of Python streams are the zygote's.
"""


def steps_without(layers: frozenset[str]) -> tuple[Step, ...]:
    """The table less some layers, for measuring what each one is worth; production takes `STEPS`."""
    return tuple(step for step in STEPS if step.name not in layers)


def failed_step(exit_code: int) -> str | None:
    """The step at which a child with this exit code gave up; None for any other code."""
    index = exit_code - FIRST_STEP_CODE
    return STEPS[index].name if 0 <= index < len(STEPS) else None


def code_of(step: Step) -> int:
    """The exit code that names a step."""
    return FIRST_STEP_CODE + STEPS.index(step)
