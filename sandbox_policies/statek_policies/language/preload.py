"""What a process does once before it forks guests: every facade built, every time zone read while there are files."""

import os
import time
import typing
import zoneinfo

from statek_policies.encodings import load_encodings
from statek_policies.language.compile import compile_batch
from statek_policies.language.environment import exports_under
from statek_policies.policy import Policy

_ZONES: dict[str, zoneinfo.ZoneInfo] = {}
"""Keeps the zones alive, so that `ZoneInfo(key)` finds them in its own cache where there are no files."""

_WARM_UP = b"class Warm:\n    def up(self): self._x = 1; return self._x\nfor x in [Warm().up()]: x += 1\n"


def preload() -> None:
    """Import, build and read all that guests may need. Called in the zygote, while it may still open files."""
    os.environ["TZ"] = "UTC"
    time.tzset()
    policy = Policy()
    exports_under(policy)
    compile_batch(_WARM_UP, name="<warm-up>", policy=policy)
    _forget_types()
    load_encodings()
    for key in sorted(zoneinfo.available_timezones()):
        _ZONES[key] = zoneinfo.ZoneInfo(key)


def _forget_types() -> None:
    """Empty the caches of `typing`: a lookup in them compares what a guest asks for with what we have asked for."""
    for clear in vars(typing)["_cleanups"]:
        clear()
