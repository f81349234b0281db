"""What a hostile program tries when nothing of the language holds it back, and how each attempt must end.

An attempt is Python that runs in a locked-down child with ctypes, os and a raw `syscall` at hand.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass

KILLED = "SIGSYS"
REFUSED = "EPERM"

_X86 = platform.machine() == "x86_64"


def _number(x86_64: int, aarch64: int) -> int:
    return x86_64 if _X86 else aarch64


@dataclass(frozen=True, slots=True)
class Attempt:
    """One way out."""

    title: str
    program: str
    end: str


FILES = (
    Attempt("open a file", "os.open('/etc/passwd', os.O_RDONLY)", REFUSED),
    Attempt("create a file", "open('/tmp/x', 'w')", REFUSED),
    Attempt("open its own process in /proc", "os.open('/proc/self/mem', os.O_RDWR)", REFUSED),
    Attempt("look for a file", "os.stat('/etc/passwd')", REFUSED),
    Attempt("ask about its socket", "os.fstat(3)", REFUSED),
    Attempt("read a link", "os.readlink('/proc/self/exe')", REFUSED),
    Attempt("list a directory", "os.listdir('/')", REFUSED),
    Attempt("ask where it is", "os.getcwd()", REFUSED),
    Attempt("control a device", "fcntl.ioctl(3, 0x5401)", REFUSED),
    Attempt("close its socket", "os.close(3)", REFUSED),
    Attempt("delete a file", "os.unlink('/etc/passwd')", KILLED),
    Attempt("change directory", "os.chdir('/')", KILLED),
    Attempt("mount", "libc.mount(b'none', b'/', b'tmpfs', 0, None)", KILLED),
    Attempt("change the root", "os.chroot('/')", KILLED),
    Attempt("make a file in memory", "os.memfd_create('x')", KILLED),
    Attempt("send a file through the socket", "os.sendfile(3, 3, 0, 1)", KILLED),
    Attempt("open a file by its handle", f"syscall({_number(304, 265)}, -100, 0, 0)", KILLED),
)

DESCRIPTORS = (
    Attempt("read another descriptor", "os.read(0, 1)", KILLED),
    Attempt("read what could be the control socket", "os.read(4, 1)", KILLED),
    Attempt("write to standard error", "os.write(2, b'x')", KILLED),
    Attempt("write in pieces", "os.writev(3, [b'x'])", KILLED),
    Attempt("duplicate its socket", "os.dup(3)", KILLED),
    Attempt("move its socket", "os.dup2(3, 4)", KILLED),
    Attempt("make its socket survive a program", "os.set_inheritable(3, True)", REFUSED),
    Attempt("make its socket non-blocking", "fcntl.fcntl(3, fcntl.F_SETFL, os.O_NONBLOCK)", KILLED),
    Attempt("make a pipe", "os.pipe()", KILLED),
    Attempt("make an event descriptor", "os.eventfd(0)", KILLED),
    Attempt("wait with epoll", "select.epoll()", KILLED),
    Attempt("wait with poll", "select.select([3], [], [], 0)", KILLED),
    Attempt("truncate", "os.ftruncate(3, 0)", KILLED),
)

NETWORK = (
    Attempt("make an internet socket", "socket.socket(socket.AF_INET)", KILLED),
    Attempt("make a Unix socket", "socket.socket(socket.AF_UNIX)", KILLED),
    Attempt("make a netlink socket", "socket.socket(socket.AF_NETLINK, socket.SOCK_RAW)", KILLED),
    Attempt("make a kernel crypto socket", "socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET)", KILLED),
    Attempt("make a socket pair", "socket.socketpair()", KILLED),
    Attempt("pass its socket through itself", f"syscall({_number(46, 211)}, 3, 0, 0)", KILLED),
    Attempt("receive a descriptor", f"syscall({_number(47, 212)}, 3, 0, 0)", KILLED),
    Attempt("ask who is at the other end", f"syscall({_number(55, 209)}, 3, 1, 17, 0, 0)", KILLED),
    Attempt("connect its socket elsewhere", f"syscall({_number(42, 203)}, 3, 0, 0)", KILLED),
)

PROCESSES = (
    Attempt("fork", "os.fork()", KILLED),
    Attempt("vfork", f"syscall({_number(58, 220)}, 0)", KILLED),
    Attempt("clone3", "syscall(435, 0, 88)", KILLED),
    Attempt("start a thread", "threading.Thread(target=print).start()", KILLED),
    Attempt("run a program", "os.execv('/bin/sh', ['sh'])", KILLED),
    Attempt("run a program from memory", f"syscall({_number(322, 281)}, 3, 0, 0, 0, 0x1000)", KILLED),
    Attempt("spawn a program", "os.posix_spawn('/bin/sh', ['sh'], {})", KILLED),
    Attempt("run a subprocess", "subprocess.run(['/bin/sh', '-c', 'id'])", KILLED),
    Attempt("kill its zygote", "os.kill(1, 9)", KILLED),
    Attempt("kill everything it can reach", "os.kill(-1, 9)", KILLED),
    Attempt("signal itself", f"syscall({_number(62, 129)}, 0, 0)", KILLED),
    Attempt("open a process", "os.pidfd_open(1)", KILLED),
    Attempt("steal a descriptor", "syscall(438, 3, 0, 0)", KILLED),
    Attempt("trace its zygote", f"syscall({_number(101, 117)}, 16, 1, 0, 0)", KILLED),
    Attempt("read a sibling's memory", f"syscall({_number(310, 270)}, 2, 0, 0, 0, 0)", KILLED),
    Attempt("write a sibling's memory", f"syscall({_number(311, 271)}, 2, 0, 0, 0, 0)", KILLED),
    Attempt("wait for a process", "os.wait()", KILLED),
    Attempt("measure what its zygote computes", "time.clock_gettime((~1 << 3) | 2)", KILLED),
    Attempt("measure what a neighbour's thread computes", "time.clock_gettime((~2 << 3) | 6)", KILLED),
    Attempt("leave its session", "os.setsid()", KILLED),
    Attempt("outlive its parent", "libc.prctl(1, 0)", KILLED),
)

MEMORY = (
    Attempt("map executable memory", "libc.mmap(None, 4096, 5, 0x22, -1, 0)", KILLED),
    Attempt("map writable executable memory", "mmap.mmap(-1, 4096, prot=7)", KILLED),
    Attempt("make memory executable", f"syscall({_number(10, 226)}, 0, 4096, 5)", KILLED),
    Attempt("make memory executable with a key", f"syscall({_number(329, 288)}, 0, 4096, 5, -1)", KILLED),
    Attempt("share memory", "libc.mmap(None, 4096, 3, 0x21, -1, 0)", KILLED),
    Attempt("map its socket", "libc.mmap(None, 4096, 1, 0x02, 3, 0)", KILLED),
    Attempt("take huge pages", "libc.mmap(None, 4096, 3, 0x40022, -1, 0)", KILLED),
    Attempt("map at a fixed address", "libc.mmap(0x10000, 4096, 3, 0x32, -1, 0)", KILLED),
    Attempt("merge its pages with others'", f"syscall({_number(28, 233)}, 0, 4096, 12)", KILLED),
    Attempt("handle page faults", f"syscall({_number(323, 282)}, 0)", KILLED),
    Attempt("use System V memory", f"syscall({_number(29, 194)}, 0, 4096, 0o600)", KILLED),
    Attempt("lock memory", f"syscall({_number(149, 228)}, 0, 4096)", KILLED),
)

KERNEL = (
    Attempt("become root", "os.setuid(0)", KILLED),
    Attempt("make a namespace", f"syscall({_number(272, 97)}, 0x10000000)", KILLED),
    Attempt("enter a namespace", f"syscall({_number(308, 268)}, 3, 0)", KILLED),
    Attempt("load a BPF program", f"syscall({_number(321, 280)}, 0, 0, 0)", KILLED),
    Attempt("watch performance counters", f"syscall({_number(298, 241)}, 0, 0, -1, -1, 0)", KILLED),
    Attempt("make an io_uring", "syscall(425, 1, 0)", KILLED),
    Attempt("use the key ring", f"syscall({_number(250, 219)}, 0, 0)", KILLED),
    Attempt("change its personality", f"syscall({_number(135, 92)}, 0x0040000)", KILLED),
    Attempt("install another filter", f"syscall({_number(317, 277)}, 1, 0, 0)", KILLED),
    Attempt("raise its limits", "resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))", KILLED),
    Attempt("take away a signal handler", "signal.signal(signal.SIGXCPU, signal.SIG_IGN)", KILLED),
    Attempt("block signals", "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGXCPU])", KILLED),
    Attempt("set a timer", "signal.setitimer(signal.ITIMER_REAL, 1)", KILLED),
    Attempt("set the clock", "time.clock_settime(time.CLOCK_REALTIME, 0)", KILLED),
    Attempt("ask the kernel about the host", "os.uname()", KILLED),
    Attempt("load a kernel module", f"syscall({_number(313, 273)}, 3, 0, 0)", KILLED),
    Attempt("use a futex", f"syscall({_number(202, 98)}, 0, 1, 1)", KILLED),
)

ALL = (*FILES, *DESCRIPTORS, *NETWORK, *PROCESSES, *MEMORY, *KERNEL)
