"""`python -m hostile_executor ...`: the command statek-executor, with interpreters that can run native code."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

from statek_executor.__main__ import main
from statek_executor.supervisor import service
from statek_executor.supervisor.zygote_client import ZygoteClient

LAUNCH = Path(__file__).with_name("launch.py")

if __name__ == "__main__":
    command = (sys.executable, "-s", "-P", str(LAUNCH))
    service.ZygoteClient = functools.partial(ZygoteClient, command=command)  # type: ignore[assignment,misc]
    sys.exit(main())
