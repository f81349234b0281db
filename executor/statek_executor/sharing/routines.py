"""Two routines of machine code, for what has to be done while no Python runs.

Python writes to its memory with whatever it does: each object that it looks at counts a reference. So no sequence of
its own can put other memory in the place of the memory that it runs on, or look whether a page has changed and drop it
before it changes again. A compiler is not to be had where this package is installed from its sources alone. What is
left is this: each routine keeps to registers and system calls, and writes nothing but what it saves on the stack.

    calls(table)      makes system calls, one row after the other: number, six arguments, and the answer that is due,
                      eight bytes each; a number below zero ends the table. Stops at the first call that is answered
                      otherwise. Returns the address of the row where it stopped.
    give_back(start, end, distance, page)
                      compares each page from start to end with the one that is `distance` bytes further on, and drops
                      those that are equal with madvise(MADV_DONTNEED), as many as lie together at a time.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from collections.abc import Callable
from typing import Any, Final

from statek_executor.isolation import kernel

_X86_64_CALLS: Final = """
    53            push rbx
    4889fb        mov  rbx, rdi
    488b03        mov  rax, [rbx]         row: the number
    4885c0        test rax, rax
    7826          js   end
    488b7b08      mov  rdi, [rbx+8]
    488b7310      mov  rsi, [rbx+16]
    488b5318      mov  rdx, [rbx+24]
    4c8b5320      mov  r10, [rbx+32]
    4c8b4328      mov  r8, [rbx+40]
    4c8b4b30      mov  r9, [rbx+48]
    0f05          syscall
    483b4338      cmp  rax, [rbx+56]      the answer that is due
    7506          jne  end
    4883c340      add  rbx, 64
    ebd2          jmp  row
    4889d8        mov  rax, rbx           end
    5b            pop  rbx
    c3            ret
"""
_X86_64_GIVE_BACK: Final = """
    53            push rbx                the page in hand
    55            push rbp                the distance
    4154          push r12                the end
    4155          push r13                where the equal pages before it begin
    4889fb        mov  rbx, rdi
    4989fd        mov  r13, rdi
    4989f4        mov  r12, rsi
    4889d5        mov  rbp, rdx
    4c39e3        cmp  rbx, r12           page
    741a          je   changed
    4889df        mov  rdi, rbx
    488d342b      lea  rsi, [rbx+rbp]
    b900020000    mov  ecx, 512           words of a page, which has 4,096 bytes on this processor
    f348a7        repe cmpsq
    7509          jne  changed
    4881c300100000  add rbx, 4096         next
    ebe1          jmp  page
    4c89ef        mov  rdi, r13           changed: drop what was equal before it
    4889de        mov  rsi, rbx
    4c29ee        sub  rsi, r13
    740c          je   begin
    ba04000000    mov  edx, 4             MADV_DONTNEED
    b81c000000    mov  eax, 28            madvise
    0f05          syscall
    4c8dab00100000  lea r13, [rbx+4096]   begin
    4c39e3        cmp  rbx, r12
    75d4          jne  next
    415d          pop  r13
    415c          pop  r12
    5d            pop  rbp
    5b            pop  rbx
    c3            ret
"""
_AARCH64_CALLS: Final = """
    e90300aa      mov  x9, x0
    280140f9      ldr  x8, [x9]           row: the number
    4801f8b7      tbnz x8, #63, end
    208540a9      ldp  x0, x1, [x9, #8]
    228d41a9      ldp  x2, x3, [x9, #24]
    249542a9      ldp  x4, x5, [x9, #40]
    010000d4      svc  #0
    2a1d40f9      ldr  x10, [x9, #56]     the answer that is due
    1f000aeb      cmp  x0, x10
    61000054      b.ne end
    29010191      add  x9, x9, #64
    f6ffff17      b    row
    e00309aa      mov  x0, x9             end
    c0035fd6      ret
"""
_AARCH64_GIVE_BACK: Final = """
    e90300aa      mov  x9, x0             the page in hand
    ea0300aa      mov  x10, x0            where the equal pages before it begin
    eb0301aa      mov  x11, x1            the end
    ec0302aa      mov  x12, x2            the distance
    ed0303aa      mov  x13, x3            bytes of a page
    3f010beb      cmp  x9, x11            page
    80010054      b.eq changed
    ee0309aa      mov  x14, x9
    2f010d8b      add  x15, x9, x13
    d00140f9      ldr  x16, [x14]         word
    d1696cf8      ldr  x17, [x14, x12]
    1f0211eb      cmp  x16, x17
    c1000054      b.ne changed
    ce210091      add  x14, x14, #8
    df010feb      cmp  x14, x15
    41ffff54      b.ne word
    29010d8b      add  x9, x9, x13        next
    f4ffff17      b    page
    21010aeb      subs x1, x9, x10        changed: drop what was equal before it
    a0000054      b.eq begin
    e0030aaa      mov  x0, x10
    820080d2      mov  x2, #4             MADV_DONTNEED
    281d80d2      mov  x8, #233           madvise
    010000d4      svc  #0
    2a010d8b      add  x10, x9, x13       begin
    3f010beb      cmp  x9, x11
    c1feff54      b.ne next
    c0035fd6      ret
"""

_ROUTINES: Final = {
    "x86_64": (_X86_64_CALLS, _X86_64_GIVE_BACK),
    "aarch64": (_AARCH64_CALLS, _AARCH64_GIVE_BACK),
}


def code_of(listing: str) -> bytes:
    """Read the machine code out of a listing: the first word of each line."""
    return b"".join(bytes.fromhex(line.split()[0]) for line in listing.splitlines() if line.strip())


def listings() -> tuple[str, str]:
    """The listings for the machine that this runs on; raises OSError for one that has none."""
    return _ROUTINES[kernel.machine_name()]


class Routines:
    """Both routines, mapped from a sealed file in memory: what is executed was never to be written to at its place."""

    def __init__(self) -> None:
        """Map them. Raises OSError: no such machine, or a host that lets no file in memory be executed."""
        codes = [code_of(listing) for listing in listings()]
        file = kernel.memory_file("statek-routines", executable=True)
        try:
            os.write(file, b"".join(codes))
            start = kernel.map_file(file, mmap.PAGESIZE, mmap.PROT_READ | mmap.PROT_EXEC)
            kernel.seal(file)
        finally:
            os.close(file)
        word = ctypes.c_size_t
        self.calls: Callable[[int], int] = _bound(start, word, word)
        self.give_back: Callable[[int, int, int, int], None] = _bound(start + len(codes[0]), None, *[word] * 4)


def _bound(address: int, result: Any, *arguments: Any) -> Callable[..., Any]:
    """Bind a routine so that no other thread of Python runs meanwhile."""
    return ctypes.PYFUNCTYPE(result, *arguments)(address)
