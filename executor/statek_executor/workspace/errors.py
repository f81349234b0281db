"""What can go wrong with a stored workspace, one class per situation."""

from __future__ import annotations


class WorkspaceError(Exception):
    """The root: bytes of a workspace could not be turned into variables."""


class MalformedWorkspace(WorkspaceError):
    """The bytes are not a workspace that an encoder wrote. The store was damaged or tampered with: fail the job."""


class MissingSource(WorkspaceError):
    """A batch whose definitions the variables use is not there any more. Supply its source, or fail the job."""

    def __init__(self, batch: int) -> None:
        super().__init__(f"the source of batch {batch} is needed to make the job's functions and classes again")
        self.batch = batch


class TransientValueError(RuntimeError):
    """Guest code touched a value that could not be kept between batches. It computes the value again."""
