"""How a refusal at run time is reported: to the host first, then to the guest as an exception."""

import sys
from types import FrameType
from typing import NoReturn

from statek_policies.language.errors import PolicyViolation
from statek_policies.language.host import Host
from statek_policies.language.words import RESERVED_MARK
from statek_policies.rules import Violation

HOST = RESERVED_MARK + "host"
"""Where a guest's built-ins keep its host: facades are shared, the frame that called tells whose guest it is."""


def refuse(rule: str, detail: str, error: type[PolicyViolation] = PolicyViolation) -> NoReturn:
    """Report an attempt of the guest that is running and raise what it sees."""
    frame = _guest_frame()
    if frame is not None:
        host: Host = frame.f_builtins[HOST]
        host.violation(Violation(rule, detail, frame.f_lineno, "runtime"))
    raise error(rule, detail)


def _guest_frame() -> FrameType | None:
    frame: FrameType | None = sys._getframe(2)
    while frame is not None and HOST not in frame.f_builtins:
        frame = frame.f_back
    return frame
