"""The guest's language: one strict compile path, the namespace its code runs in, and what can come of it.

words      which names may be written and read
transformer  attributes  patterns  imports  checking  nodes  refusals    from a parsed source to a guarded tree
scan       the second look, at the finished code
compile    the path through all of that
guards  accessors  lineage  guests  classes  standins  formatting  tracebacks    what guarded code calls at run time
clock  chance  facades    what imports give
environment  a guest's namespace
preload    what is done once before guests are forked
"""

from statek_policies.language.chance import GuestRandom
from statek_policies.language.compile import CompiledBatch, compile_batch
from statek_policies.language.environment import GuestEnvironment, build_environment
from statek_policies.language.errors import (
    AttributeWithheld,
    GuestExit,
    ImportWithheld,
    PolicyViolation,
    SourceInvalid,
    SourceRefused,
    SourceTooLarge,
)
from statek_policies.language.guests import accepts_writes
from statek_policies.language.host import AbsentHost, Host
from statek_policies.language.preload import preload
from statek_policies.language.tracebacks import guest_traceback

__all__ = [
    "AbsentHost",
    "AttributeWithheld",
    "CompiledBatch",
    "GuestEnvironment",
    "GuestExit",
    "GuestRandom",
    "Host",
    "ImportWithheld",
    "PolicyViolation",
    "SourceInvalid",
    "SourceRefused",
    "SourceTooLarge",
    "accepts_writes",
    "build_environment",
    "compile_batch",
    "guest_traceback",
    "preload",
]
