"""How a seccomp filter is put together: the few classic BPF instructions it needs, and nothing else.

A filter sees one `struct seccomp_data` per system call (linux/seccomp.h): the call's number, the architecture, and six
arguments of 64 bits. Its program walks forward only; a jump counts the instructions that it skips.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final, TypeAlias

NUMBER_OFFSET: Final = 0
ARCH_OFFSET: Final = 4

KILL_PROCESS: Final = 0x80000000
ALLOW: Final = 0x7FFF0000
ERRNO: Final = 0x00050000
"""The low 16 bits carry the error number."""

_LOAD_WORD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_AND: Final = 0x54  # BPF_ALU | BPF_AND | BPF_K
_JUMP_EQUAL: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_JUMP_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K
_ALL_BITS: Final = 0xFFFFFFFF
_INSTRUCTION: Final = struct.Struct("=HBBI")  # struct sock_filter: code, jump if true, jump if false, constant


@dataclass(frozen=True, slots=True)
class Instruction:
    """One `struct sock_filter`."""

    code: int
    if_true: int
    if_false: int
    constant: int


Block: TypeAlias = tuple[Instruction, ...]


def load(offset: int) -> Instruction:
    """Put the 32-bit word at this offset of seccomp_data into the accumulator."""
    return Instruction(_LOAD_WORD, 0, 0, offset)


def argument_offset(index: int) -> int:
    """Where the low word of an argument lies. Both architectures that we know are little-endian."""
    return 16 + 8 * index


def ret(action: int) -> Instruction:
    """End with this verdict."""
    return Instruction(_RETURN, 0, 0, action)


def when_equal(value: int, block: Block) -> Block:
    """Run the block if the accumulator equals the value, else go on behind it."""
    return (Instruction(_JUMP_EQUAL, 0, len(block), value), *block)


def unless_equal(value: int, block: Block) -> Block:
    """Run the block unless the accumulator equals the value."""
    return (Instruction(_JUMP_EQUAL, len(block), 0, value), *block)


def when_at_least(value: int, block: Block) -> Block:
    """Run the block if the accumulator is at least the value."""
    return (Instruction(_JUMP_AT_LEAST, 0, len(block), value), *block)


def require_bits(offset: int, mask: int, value: int, otherwise: int) -> Block:
    """End with `otherwise` unless the word at offset, masked, equals value."""
    masked = () if mask == _ALL_BITS else (Instruction(_AND, 0, 0, mask),)
    return (load(offset), *masked, *unless_equal(value, (ret(otherwise),)))


def assemble(block: Block) -> bytes:
    """The program as the kernel reads it."""
    return b"".join(
        _INSTRUCTION.pack(instruction.code, instruction.if_true, instruction.if_false, instruction.constant)
        for instruction in block
    )
