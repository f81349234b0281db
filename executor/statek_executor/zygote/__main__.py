"""`python -m statek_executor.zygote DESCRIPTOR`: the launcher, as a supervisor starts it."""

from __future__ import annotations

import sys

from statek_executor.zygote.launcher import main

sys.exit(main())
