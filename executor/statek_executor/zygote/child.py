"""From the fork to the entry's serve: what runs in a child before anything hostile does."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NoReturn

from statek_executor.isolation.lockdown import SERVE_FAILED_CODE, Birth, Step, code_of
from statek_executor.isolation.seccomp import CHILD_FD
from statek_executor.zygote.entries import Entry


def live(birth: Birth, steps: Sequence[Step], entry: Entry) -> NoReturn:
    """Lock this process down, serve, and end; whatever happens, never return into the zygote's loop."""
    code = SERVE_FAILED_CODE
    try:
        for step in steps:
            code = code_of(step)
            step.take(birth)
        code = SERVE_FAILED_CODE
        entry.serve(CHILD_FD)
        code = 0
    finally:
        os._exit(code)
