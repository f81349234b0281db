"""From the fork to the entry's serve: what runs in a child before anything hostile does."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import NoReturn

from statek_executor.isolation.lockdown import SERVE_FAILED_CODE, Plan
from statek_executor.isolation.seccomp import CHILD_FD


def live(plan: Plan, serve: Callable[[int], None]) -> NoReturn:
    """Lock this process down, serve, and end; whatever happens, never return into the loop that has forked it."""
    code = SERVE_FAILED_CODE
    try:
        for code, call, arguments, right in plan:
            answer = call(*arguments)
            if answer == -1 or (right is not None and answer != right):
                os._exit(code)
        code = SERVE_FAILED_CODE
        serve(CHILD_FD)
        code = 0
    finally:
        os._exit(code)
