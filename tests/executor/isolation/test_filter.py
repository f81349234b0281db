"""The system call filter as a program: run instruction by instruction here, for both architectures."""

from __future__ import annotations

import errno
import struct
from itertools import product

import pytest

from statek_executor.isolation import bpf, kernel, seccomp

NUMBERS = 600
ALLOW, KILL, EPERM = bpf.ALLOW, bpf.KILL_PROCESS, bpf.ERRNO | errno.EPERM
PROT_READ, PROT_WRITE = 1, 2
MAP_SHARED, MAP_PRIVATE, MAP_ANONYMOUS, MAP_FIXED, MAP_NORESERVE = 1, 2, 0x20, 0x10, 0x4000


def decide(machine: str, number: int, *arguments: int, audit_arch: int | None = None) -> int:
    """What the kernel would return for this call: an interpreter of the five instructions in use."""
    arch = kernel.MACHINES[machine].audit_arch if audit_arch is None else audit_arch
    padded = (*arguments, *[0] * (6 - len(arguments)))
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, arch, 0, *(value & 2**64 - 1 for value in padded))
    accumulator, position = 0, 0
    code = bpf.assemble(seccomp.program(machine))
    while True:
        operation, if_true, if_false, constant = struct.unpack_from("=HBBI", code, position * 8)
        position += 1
        match operation:
            case 0x20:
                [accumulator] = struct.unpack_from("<I", data, constant)
            case 0x54:
                accumulator &= constant
            case 0x15:
                position += if_true if accumulator == constant else if_false
            case 0x35:
                position += if_true if accumulator >= constant else if_false
            case 0x06:
                return int(constant)
            case other:
                raise AssertionError(f"an instruction that the filter should not have: {other:#x}")


def number_of(name: str, machine: str) -> int:
    [rule] = [rule for rule in seccomp.RULES if rule.name == name]
    number = rule.number(machine)
    assert number is not None
    return number


@pytest.fixture(params=list(kernel.MACHINES))
def machine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_a_call_gets_the_verdict_of_its_rule_or_death(machine: str) -> None:
    unconditional = {rule.number(machine): rule.action for rule in seccomp.RULES if not rule.conditions}
    conditional = {rule.number(machine) for rule in seccomp.RULES if rule.conditions}
    for number in set(range(NUMBERS)) - conditional:
        assert decide(machine, number) == unconditional.get(number, KILL), number


@pytest.mark.parametrize("name", ["read", "write"])
def test_only_descriptor_three_is_read_and_written(machine: str, name: str) -> None:
    number = number_of(name, machine)
    assert decide(machine, number, 3, 0, 100) == ALLOW
    assert {decide(machine, number, descriptor) for descriptor in (0, 1, 2, 4, 2**32 - 1)} == {KILL}


def test_memory_is_private_anonymous_and_never_executable(machine: str) -> None:
    number = number_of("mmap", machine)
    good = {MAP_PRIVATE | MAP_ANONYMOUS, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE}
    bad = {flags | bit for flags in good for bit in (MAP_SHARED, MAP_FIXED, 0x100, 0x2000, 0x8000, 0x40000, 1 << 31)}
    for protection, flags in product(range(16), good | bad | {0, MAP_PRIVATE, MAP_ANONYMOUS, MAP_SHARED}):
        harmless = protection <= PROT_READ | PROT_WRITE and flags in good
        assert decide(machine, number, 0, 4096, protection, flags, -1) == (ALLOW if harmless else KILL)


def test_only_clocks_that_are_nobody_elses_are_read(machine: str) -> None:
    number = number_of("clock_gettime", machine)
    assert {decide(machine, number, clock) for clock in range(16)} == {ALLOW}
    made_of_pids = [(~pid << 3) | kind for pid in (0, 1, 2, 4_000_000) for kind in range(8)]
    assert {decide(machine, number, clock) for clock in (16, 2**31, *made_of_pids)} == {KILL}


def test_of_all_advice_about_memory_only_dropping_pages_is_given(machine: str) -> None:
    number = number_of("madvise", machine)
    allowed = {advice for advice in (*range(128), 2**31) if decide(machine, number, 0, 4096, advice) == ALLOW}
    assert allowed == {kernel.MADV_DONTNEED}


def test_another_architecture_dies(machine: str) -> None:
    [other] = set(kernel.MACHINES) - {machine}
    number = number_of("getrandom", machine)
    assert decide(machine, number, audit_arch=kernel.MACHINES[other].audit_arch) == KILL


def test_the_second_call_table_of_x86_64_dies() -> None:
    assert {decide("x86_64", 0x40000000 | number, 3) for number in range(NUMBERS)} == {KILL}


def test_every_rule_says_why() -> None:
    assert all(rule.reason for rule in seccomp.RULES)
    assert len({rule.name for rule in seccomp.RULES}) == len(seccomp.RULES)
