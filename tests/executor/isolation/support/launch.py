"""`launch.py LAYER,LAYER DESCRIPTOR`: a launcher with the tests' own kinds of children, and without some layers."""

from __future__ import annotations

import sys
from pathlib import Path

from statek_executor.zygote import main

sys.path.insert(0, str(Path(__file__).parent))

KINDS = {
    "hostile": "hostile:serve",
    "broken": "broken:serve",
    "probe": "statek_executor.isolation.probes:serve",
}

sys.exit(main(sys.argv[2:], kinds=KINDS, without=frozenset(filter(None, sys.argv[1].split(",")))))
