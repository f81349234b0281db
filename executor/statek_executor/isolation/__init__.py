"""The kernel wall around guests: one file per layer, what the zygote and its children do with them, and the probes.

posture     the names of the layers and the state of each on a host
kernel      how Python calls the kernel
bpf         the instructions of a system call filter
seccomp     the table of system calls that a child may make
landlock    no files, TCP, or signals to the outside
privileges  identity, capabilities, life after the parent's
namespaces  user, net, pid, ipc, uts and mount namespaces, the empty root
limits      resource limits
enclosure   what the zygote gives up, once for all its children
lockdown    what each child gives up after its fork
probes      runs in a child: tries what is forbidden
verdicts    what the probes' findings mean for each layer
"""

from __future__ import annotations

from statek_executor.isolation.limits import set_memory_limits
from statek_executor.isolation.lockdown import failed_step
from statek_executor.isolation.posture import LayerState, Posture
from statek_policies import LAYERS

__all__ = ["LAYERS", "LayerState", "Posture", "failed_step", "set_memory_limits"]
