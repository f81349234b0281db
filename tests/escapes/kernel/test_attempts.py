"""Every way out through the kernel ends the process, or is refused where library code may ask by itself."""

from __future__ import annotations

import platform

import pytest
from attempts import ALL, KILLED, REFUSED, Attempt
from rig import Rig

from statek_executor.isolation.seccomp import ALLOWED
from statek_executor.isolation.seccomp import REFUSED as REFUSED_RULES

SWEPT_NUMBERS = 520
"""Above the highest system call of today."""
VSYSCALL_TIME = "ctypes.CFUNCTYPE(ctypes.c_long, ctypes.c_void_p)(0xFFFFFFFFFF600400)(None)"
"""time(2) by the page at a fixed address, the oldest way into the kernel."""
UNFILTERED = {335: ["SIGILL"], 336: ["ENXIO"]} if platform.machine() == "x86_64" else {}
"""uretprobe and uprobe: recent kernels let them pass any filter (kernel/seccomp.c), and refuse whoever is no probe."""


@pytest.mark.parametrize("attempt", ALL, ids=lambda attempt: attempt.title)
def test_the_attempt_fails(guest: Rig, attempt: Attempt) -> None:
    outcome = guest.run(attempt.program)
    assert (outcome.get("signal") or outcome.get("errno")) == attempt.end, outcome


def test_every_call_outside_the_table_ends_the_process_and_files_are_refused(guest: Rig) -> None:
    machine = platform.machine()
    allowed = {rule.number(machine) for rule in ALLOWED}
    refused = {rule.number(machine) for rule in REFUSED_RULES}
    for number in sorted(set(range(SWEPT_NUMBERS)) - allowed):
        outcome = guest.run(f"syscall({number}, -1, -1, -1, -1)")
        expected = REFUSED if number in refused else KILLED
        ends = {expected, *UNFILTERED.get(number, ())}
        assert (outcome.get("signal") or outcome.get("errno")) in ends, (number, outcome)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="only x86-64 has a second and a third call table")
def test_the_other_call_tables_of_the_processor_are_closed(guest: Rig) -> None:
    assert guest.run("syscall(0x40000000 | 39)")["signal"] == KILLED
    assert guest.run("call_32_bit_table()")["signal"] in (KILLED, "SIGSEGV")  # the latter where the kernel has none
    assert guest.run(VSYSCALL_TIME)["signal"] in (KILLED, "SIGSEGV")
