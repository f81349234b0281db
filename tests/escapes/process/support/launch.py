"""`launch.py DESCRIPTOR`: a launcher whose interpreters run a marked batch as native code, behind the real walls."""

from __future__ import annotations

import sys
from pathlib import Path

from statek_executor.zygote import main

sys.path.insert(0, str(Path(__file__).parent))

KINDS = {
    "interpreter": "hostile_interpreter:serve",
    "rehearsed": "hostile_interpreter:serve_rehearsed",
    "probe": "statek_executor.isolation.probes:serve",
}

sys.exit(main(sys.argv[1:], kinds=KINDS))
