"""The escapes of an attacker who runs native code in an interpreter: programs, and what tells that one got out.

A program finds in `loot` where things are planted, never what they are. It has Python's ctypes, os and socket, libc,
and system calls by name. Being killed for the attempt is one way of not getting out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeAlias

from ablation.loot import Loot

Taken: TypeAlias = Callable[[Loot, object], bool]


@dataclass(frozen=True, slots=True)
class Escape:
    """One way out."""

    title: str
    program: str
    taken: Taken
    """From what was planted and what the program answered (None when it died): whether it got out."""
    needs: frozenset[str] = frozenset()
    """Places that must have been planted for it; without them it is not tried."""


def _steals(title: str, program: str, *needs: str) -> Escape:
    """An escape that brings a planted text home."""
    return Escape(title, program, Loot.in_answer, frozenset(needs))


def _calls(title: str, program: str, kind: str) -> Escape:
    """An escape that reaches a service outside."""
    return Escape(title, program, lambda loot, _: loot.heard(kind))


def _says(title: str, program: str, *needs: str) -> Escape:
    """An escape that has somebody other than the attacker's own program say the mark."""
    return Escape(title, program, lambda loot, answer: loot.mark in str(answer), frozenset(needs))


FILES: Final = (
    _steals("read the owner's file", "answer = open(loot['private_file']).read()"),
    _steals("read anybody's file", "answer = open(loot['public_file']).read()"),
    Escape(
        "leave a file behind",
        "open(loot['drop'], 'w').write(loot['mark'])",
        lambda loot, _: loot.left_behind(),
    ),
)

INHERITED: Final = (
    _steals("read an environment variable", "answer = os.environ.get(loot['variable'])"),
    _steals(
        "find the environment on the stack",
        """
word = ctypes.c_void_p
place = word.in_dll(ctypes.CDLL(None), "__libc_stack_end").value
place += 8 * (word.from_address(place).value or 0) + 16  # over argc, the arguments and their end
found = []
while (text := word.from_address(place).value):
    found.append(ctypes.string_at(text).decode(errors="replace"))
    place += 8
answer = found
""",
    ),
    _steals(
        "read a key of the supervisor's session",
        """
data = ctypes.create_string_buffer(100)
call("keyctl", 11, loot["key"], data, 100, 0)
answer = data.value.decode()
""",
    ),
    Escape(
        "lie to the zygote through an inherited descriptor",
        """
for descriptor in range(3):
    try:
        os.write(descriptor, struct.pack("qq", 1 << 30, 0))  # as the template answers: the pid of a new child
    except OSError:
        pass
""",
        lambda loot, _: loot.zygote_was_misled(),
    ),
)

MEMORY: Final = (
    _steals(
        "read the supervisor's memory",
        """
data = ctypes.create_string_buffer(loot["length"])
remote_memory("process_vm_readv", loot["supervisor"], loot["address"], data)
answer = data.value.decode()
""",
    ),
    _steals(
        "read the supervisor's memory as a file",
        """
with open(f"/proc/{loot['supervisor']}/mem", "rb", 0) as memory:
    memory.seek(loot["address"])
    answer = memory.read(loot["length"]).decode()
""",
    ),
    _steals(
        "read a neighbour's memory",
        """
data = ctypes.create_string_buffer(loot["length"])
remote_memory("process_vm_readv", loot["neighbour"], loot["neighbour_address"], data)
answer = data.value.decode()
""",
    ),
    Escape(
        "change a neighbour's memory",
        """
data = ctypes.create_string_buffer(loot["mark"].encode())
remote_memory("process_vm_writev", loot["neighbour"], loot["neighbour_address"], data)
""",
        lambda loot, _: loot.neighbour_changed(),
    ),
    Escape(
        "trace a neighbour",
        """
PTRACE_SEIZE = 0x4206
call("ptrace", PTRACE_SEIZE, loot["neighbour"], 0, 0)
answer = "traced " + loot["mark"]
""",
        lambda loot, answer: "traced" in str(answer),
    ),
    Escape(
        "speak in a neighbour's name",
        """
neighbour = call("pidfd_open", loot["neighbour"], 0)
its_socket = call("pidfd_getfd", neighbour, 3, 0)
os.write(its_socket, json.dumps({"answer": loot["mark"]}).encode() + b"\\n")
""",
        lambda loot, _: loot.neighbour_said_the_mark(),
    ),
    _steals(
        "read shared memory",
        """
address = libc.shmat(loot["segment"], None, 0o10000)
answer = ctypes.string_at(address).decode() if address != 2**64 - 1 else None
""",
    ),
)

NETWORK: Final = (
    _calls(
        "reach a service on the host's loopback",
        "socket.create_connection(('127.0.0.1', loot['tcp']), 1).sendall(loot['mark'].encode())",
        "tcp",
    ),
    _calls(
        "reach an abstract socket",
        """
caller = socket.socket(socket.AF_UNIX)
caller.connect(loot["abstract"])
caller.sendall(loot["mark"].encode())
""",
        "abstract",
    ),
    _calls(
        "reach a socket in the file system",
        """
caller = socket.socket(socket.AF_UNIX)
caller.connect(loot["path"])
caller.sendall(loot["mark"].encode())
""",
        "path",
    ),
)

PROCESSES: Final = (
    Escape(
        "start a process",
        """
pid = os.fork()
if pid == 0:
    os.write(3, json.dumps({"answer": "a child of " + loot["mark"]}).encode() + b"\\n")
    os._exit(0)
os.waitpid(pid, 0)
os._exit(0)
""",
        lambda loot, answer: "a child of" in str(answer),
    ),
    _says(
        "run a program",
        """
os.dup2(3, 1)
os.execv("/bin/echo", ["echo", json.dumps(loot["mark"])])
""",
    ),
    _says(
        "run a program from memory",
        """
said = json.dumps(loot["mark"]).encode() + b"\\n"
code = bytes.fromhex("bf03000000488d3520000000ba") + struct.pack("<I", len(said))  # edi = 3, rsi = text, edx = length
code += bytes.fromhex("b8010000000f05b83c00000031ff0f05")  # write, exit(0)
code = code.ljust(44, b"\\x90") + said
start = 0x400000
header = b"\\x7fELF\\x02\\x01\\x01".ljust(16, b"\\0")
header += struct.pack("<HHIQQQIHHHHHH", 2, 62, 1, start + 120, 64, 0, 0, 64, 56, 1, 0, 0, 0)
header += struct.pack("<IIQQQQQQ", 1, 5, 0, start, start, 120 + len(code), 120 + len(code), 4096)
file = os.memfd_create("program")
os.write(file, header + code)
argument = (ctypes.c_char_p * 2)(b"program", None)
call("execveat", file, b"", argument, argument, 0x1000)
""",
        "x86_64",
    ),
    Escape(
        "become root",
        """
os.dup2(3, 1)
os.execv(loot["setuid"], ["id", "-u"])
""",
        lambda _, answer: answer == 0,
        frozenset({"setuid"}),
    ),
    Escape("kill a process of the host", "os.kill(loot['canary'], 9)", lambda loot, _: loot.canary_died()),
    Escape("kill a neighbour", "os.kill(loot['neighbour'], 9)", lambda loot, _: loot.neighbour_died()),
    Escape(
        "have all rights in a namespace of its own",
        """
call("unshare", 0x10000000)
answer = "all rights in " + loot["mark"]
""",
        lambda _, answer: "all rights in" in str(answer),
    ),
    _says(
        "learn the host's name",
        "answer = loot['mark'] if os.uname().nodename == loot['host_name'] else None",
    ),
)

EXHAUSTION: Final = (
    Escape(
        "take more memory than allowed",
        """
blocks = []
for number in range(64):
    blocks.append(mmap.mmap(-1, 8 << 20, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))
    blocks[-1][:: mmap.PAGESIZE] = b"x" * ((8 << 20) // mmap.PAGESIZE)
answer = "all of it for " + loot["mark"]
""",
        lambda _, answer: "all of it" in str(answer),
    ),
    Escape(
        "take more shared memory than allowed",
        """
blocks = []
for number in range(64):
    blocks.append(mmap.mmap(-1, 8 << 20))
    blocks[-1][:: mmap.PAGESIZE] = b"x" * ((8 << 20) // mmap.PAGESIZE)
answer = "all of it for " + loot["mark"]
""",
        lambda _, answer: "all of it" in str(answer),
    ),
    Escape(
        "fill memory through a file without a name",
        """
file = os.memfd_create("x")
for number in range(64):
    os.write(file, bytes(8 << 20))
answer = "all of it for " + loot["mark"]
""",
        lambda _, answer: "all of it" in str(answer),
    ),
    Escape(
        "lock memory",
        """
block = mmap.mmap(-1, 8 << 20)
if libc.mlock(ctypes.c_void_p(ctypes.addressof(ctypes.c_char.from_buffer(block))), ctypes.c_size_t(8 << 20)) == -1:
    raise OSError(ctypes.get_errno(), "mlock")
answer = "locked for " + loot["mark"]
""",
        lambda _, answer: "locked for" in str(answer),
    ),
)

OUTLIVE: Final = Escape(
    "outlive the supervisor",
    """
libc.prctl(1, 0, 0, 0, 0)  # not to end with the zygote
os.kill(os.getppid(), signal.SIGSTOP)  # so that it does not notice the supervisor's end
for number in set(signal.valid_signals()) - {signal.SIGKILL, signal.SIGSTOP}:
    signal.signal(number, signal.SIG_IGN)
os.write(3, json.dumps({"answer": "settled"}).encode() + b"\\n")
while True:
    time.sleep(1000)
""",
    lambda _, __: False,
)
"""Looked at from further outside: whoever looks kills the supervisor and then looks for the child."""

ALL: Final = (*FILES, *INHERITED, *MEMORY, *NETWORK, *PROCESSES, *EXHAUSTION)
