"""`launch.py LAYER,LAYER DESCRIPTOR`: a launcher that leaves layers out, with children that run what they are sent.

Runs as the launcher and, after its fork, as the zygote. It is the test build: the product's launcher takes no layer.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from statek_executor.zygote import main

KINDS = {"attacker": "ablation.child:serve"}


if __name__ == "__main__":
    without = frozenset(filter(None, sys.argv[1].split(",")))
    sys.exit(main(sys.argv[2:], kinds=KINDS, without=without))
