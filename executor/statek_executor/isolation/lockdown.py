"""What a child gives up between its fork and its first line of guest code: a table of steps, taken in order.

A step is a row of system calls whose numbers and arguments are put together before the fork: a page of memory that a
child writes to is a page that it no longer shares, and Python writes to whatever it looks at. A step that fails ends
the child with an exit code of its own; there is no half-locked child. The code is how the supervisor learns which step
it was: at that point the child has nobody to write to.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from statek_executor.isolation import kernel, landlock, limits
from statek_executor.isolation.seccomp import CHILD_FD, Filter

FIRST_STEP_CODE: Final = 100
"""Exit code of a child whose first step failed; the next steps follow."""
SERVE_FAILED_CODE: Final = 99
"""Exit code of a child whose entry raised: a bug of ours, since what guests raise is caught inside."""

_HIGHEST_DESCRIPTOR: Final = 2**32 - 1
_REFUSED: Final = -1


@dataclass(frozen=True, slots=True)
class Birth:
    """What the children of one kind are locked down with."""

    zygote: int
    """The zygote's pid as its children see it."""
    prepare: Callable[[], None]
    """The entry's own preparation, which still may make every system call."""
    filter: Filter
    limits: limits.ChildLimits
    has_ruleset: bool
    """Whether `landlock.RULESET_FD` is there to be bound with: the host has Landlock, and it was not left out."""


Action: TypeAlias = tuple[Callable[..., Any], tuple[int, ...], int | None]
"""What to call, with what, and the one right answer; None where any but a refusal is right."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a child does to itself."""

    name: str
    actions: Callable[[Birth], Sequence[Action]]


Plan: TypeAlias = tuple[tuple[int, Callable[..., Any], tuple[int, ...], int | None], ...]
"""Every action of every step, with the exit code that tells of its failure."""


def _call(*arguments: int, answer: int | None = None) -> Action:
    return kernel.raw, (*arguments, *[0] * (5 - len(arguments))), answer


def _leave_session(birth: Birth) -> Sequence[Action]:
    return [_call(kernel.machine().setsid)]


def _end_with_zygote(birth: Birth) -> Sequence[Action]:
    """A parent that has ended before this child asked to be killed with it is noticed by its absence."""
    machine = kernel.machine()
    return [
        _call(machine.prctl, kernel.PR_SET_PDEATHSIG, signal.SIGKILL),
        _call(machine.getppid, answer=birth.zygote),
    ]


def _close_others(birth: Birth) -> Sequence[Action]:
    return [
        _call(kernel.SYS_CLOSE_RANGE, 0, CHILD_FD - 1),
        _call(kernel.SYS_CLOSE_RANGE, CHILD_FD + 1, _HIGHEST_DESCRIPTOR),
    ]


def _enter_own_domain(birth: Birth) -> Sequence[Action]:
    """The zygote's domain is shared with it and with all its children; one below that is shared with nobody."""
    return [_call(kernel.SYS_LANDLOCK_RESTRICT_SELF, landlock.RULESET_FD)] if birth.has_ruleset else []


def _bind_limits(birth: Birth) -> Sequence[Action]:
    return [_call(kernel.machine().prlimit, 0, limit, address) for limit, address in birth.limits.addresses()]


def _prepare(birth: Birth) -> Sequence[Action]:
    return [(birth.prepare, (), None)]


def _filter_system_calls(birth: Birth) -> Sequence[Action]:
    return [_call(*birth.filter.installation())]


STEPS: Final = (
    Step("session", _leave_session),
    Step("parent", _end_with_zygote),
    Step("landlock", _enter_own_domain),
    Step("fds", _close_others),
    Step("rlimits", _bind_limits),
    Step("prepare", _prepare),
    Step("seccomp", _filter_system_calls),
)
"""In this order: the filter comes last because it forbids all the others.

What a fork inherits is not repeated here: namespaces, identity, no_new_privs, the dumpable flag, the empty environment
and the absence of Python streams are the zygote's. Landlock is both: the zygote is bound, and each child apart.
"""


def plan(birth: Birth, without: frozenset[str] = frozenset()) -> Plan:
    """All that a child of one kind does; less some layers, for measuring what each one is worth."""
    return tuple(
        (FIRST_STEP_CODE + index, *action)
        for index, step in enumerate(STEPS)
        if step.name not in without
        for action in step.actions(birth)
    )


def failed_step(exit_code: int) -> str | None:
    """The step at which a child with this exit code gave up; None for any other code."""
    index = exit_code - FIRST_STEP_CODE
    return STEPS[index].name if 0 <= index < len(STEPS) else None
