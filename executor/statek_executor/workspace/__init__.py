"""A job's variables between its batches: their way to bytes and back.

errors, lost          what can go wrong, and what stands for a value that could not be kept
definitions           code by its place in the job's durable source
references            handed-out objects by name
survey, nodes         what is reachable, and what of it has an identity
portraits             which topic describes an object: containers, functions, classes, instances (layout), library
encoder, decoder      the stored form; places names what it leaves out
"""

from statek_executor.workspace.decoder import Decoded, decode
from statek_executor.workspace.definitions import Definitions
from statek_executor.workspace.encoder import Encoded, Transient, encode
from statek_executor.workspace.errors import MalformedWorkspace, MissingSource, TransientValueError, WorkspaceError
from statek_executor.workspace.lost import Lost, lose
from statek_executor.workspace.references import References

__all__ = [
    "Decoded",
    "Definitions",
    "Encoded",
    "Lost",
    "MalformedWorkspace",
    "MissingSource",
    "References",
    "Transient",
    "TransientValueError",
    "WorkspaceError",
    "decode",
    "encode",
    "lose",
]
