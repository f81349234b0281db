"""A job's variables between its batches: their way to bytes and back.

errors, lost          what can go wrong, and what stands for a value that could not be kept
definitions           code by its place in the job's durable source
references            handed-out objects by name
reach, partition      what guest code can come to from where; which variables are stored together
changes, segments     what the scheduler does not have yet
survey, nodes         what is stored of variables, and what of it has an identity
portraits             which topic describes an object: containers, functions, classes, instances (layout), library
encoder, decoder      the stored form of a segment (contents); places names what it leaves out
"""

from statek_executor.workspace.changes import Baseline
from statek_executor.workspace.decoder import Decoded, decode
from statek_executor.workspace.definitions import Definitions
from statek_executor.workspace.encoder import Encoded, Transient, encode
from statek_executor.workspace.errors import MalformedWorkspace, MissingSource, TransientValueError, WorkspaceError
from statek_executor.workspace.lost import Lost, lose
from statek_executor.workspace.reach import code_in, names_in, runs_when_collected
from statek_executor.workspace.references import References
from statek_executor.workspace.segments import BESIDE, Changes

__all__ = [
    "BESIDE",
    "Baseline",
    "Changes",
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
    "code_in",
    "decode",
    "encode",
    "lose",
    "names_in",
    "runs_when_collected",
]
