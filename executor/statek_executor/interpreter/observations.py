"""Clock and randomness of a batch: what the guest is told is kept, and told again in a replay. Runs inside the wall.

Three streams, each replayed in its own order: wall clock, monotonic clock, and one seed. What was told is written down
before any message that could show an effect of it leaves the process; a run that dies earlier has shown nothing, and
its replay may see another clock.

A guest may read a clock millions of times. Reads that come close together share one entry and count up from it in
small steps: the clock still moves forward at every read, and a second of reading is at most a thousand entries.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterable
from typing import Final

import msgpack

from statek_executor.errors import ReplayDiverged

ENTRY_NS: Final = 1_000_000
"""Reads within this time of an entry's first one belong to it."""
STEP_NS: Final = 100
"""What two reads of one entry differ by; less than a read takes, so that an entry never overtakes the clock."""
ENTRIES_LIMIT: Final = 20_000
"""Entries that are written down at once, so that a record stays far below its message's limit."""
SEED_BYTES: Final = 32


class ClockStream:
    """One clock: entries of [first value, number of reads], replayed first and then made."""

    def __init__(self, read_clock: Callable[[], int]) -> None:
        self._read_clock = read_clock
        self._replay: list[list[int]] = []
        self._position = 0
        self._reads = 0
        self._last = 0
        self.made: list[list[int]] = []

    def replay(self, entries: list[list[int]]) -> None:
        self._replay = [entry for entry in entries if entry[1] > 0] if entries else entries
        self._position = self._reads = 0
        self.made = []

    @property
    def last(self) -> int:
        """The value that was told last, 0 before the first."""
        return self._last

    def go_on_after(self, last: int) -> None:
        """Tell nothing earlier than this, which an earlier process has told."""
        self._last = max(self._last, last)

    @property
    def replaying(self) -> bool:
        return self._position < len(self._replay)

    def read(self) -> int:
        """Return the next value, in nanoseconds."""
        if self._position < len(self._replay):
            return self._read_again()
        now = self._read_clock()
        if not self.made or now - self.made[-1][0] >= ENTRY_NS:
            self.made.append([max(now, self._last + STEP_NS), 0])
        entry = self.made[-1]
        self._last = entry[0] + entry[1] * STEP_NS
        entry[1] += 1
        return self._last

    def _read_again(self) -> int:
        first, count = self._replay[self._position]
        self._last = first + self._reads * STEP_NS
        self._reads += 1
        if self._reads == count:
            self._position += 1
            self._reads = 0
        return self._last


class Observations:
    """All that a batch was told of the world outside."""

    def __init__(self) -> None:
        started_wall, started_monotonic = time.time_ns(), time.monotonic_ns()
        self._wall = ClockStream(time.time_ns)
        # Counted from the wall clock at the start of this process: a job that moves to another host does not see its
        # monotonic clock fall back to that host's time since boot.
        self._monotonic = ClockStream(lambda: started_wall + time.monotonic_ns() - started_monotonic)
        self._seed: bytes | None = None
        self._seed_is_new = False
        self._drawn = 0
        self._has_records = False

    def begin(self, records: Iterable[bytes]) -> None:
        """Start a batch, which is first told again what these records hold."""
        wall: list[list[int]] = []
        monotonic: list[list[int]] = []
        self._seed, self._seed_is_new, self._drawn = None, False, 0
        self._has_records = False
        for record in records:
            self._has_records = True
            entry = msgpack.unpackb(record)
            wall += entry["wall"]
            monotonic += entry["monotonic"]
            self._seed = entry["seed"] or self._seed
        self._wall.replay(wall)
        self._monotonic.replay(monotonic)

    def time_ns(self) -> int:
        return self._wall.read()

    def monotonic_ns(self) -> int:
        return self._monotonic.read()

    def entropy(self, size: int) -> bytes:
        """Draw bytes from the batch's seed: SHAKE-256 over the seed and the number of the draw."""
        if self._seed is None:
            self._seed, self._seed_is_new = os.getrandom(SEED_BYTES), True
        self._drawn += 1
        return hashlib.shake_256(self._seed + self._drawn.to_bytes(8, "little")).digest(size)

    def draw_position(self) -> list[object]:
        """Return the seed and how often it was drawn from, to be kept with a checkpoint inside the batch."""
        return [self._seed, self._drawn]

    def draw_from(self, position: list[object]) -> None:
        """Go on drawing from where a checkpoint inside the batch left it."""
        seed, drawn = position
        if isinstance(seed, bytes) and isinstance(drawn, int):
            self._seed, self._drawn = seed, drawn

    @property
    def monotonic_position(self) -> int:
        """Return the monotonic time that was told last, to be kept with the variables."""
        return self._monotonic.last

    def monotonic_after(self, last: int) -> None:
        """Let the monotonic clock go on after this, also when this host's wall clock is behind the last one's."""
        self._monotonic.go_on_after(last)

    @property
    def full(self) -> bool:
        """Tell whether so much was made that it should be written down without waiting for a message."""
        return len(self._wall.made) + len(self._monotonic.made) >= ENTRIES_LIMIT

    def take_record(self) -> bytes | None:
        """Return what was told since the last record, or None; it must leave before any message that follows."""
        if not (self._wall.made or self._monotonic.made or self._seed_is_new):
            return None
        record: bytes = msgpack.packb(
            {
                "wall": self._wall.made,
                "monotonic": self._monotonic.made,
                "seed": self._seed if self._seed_is_new else None,
            }
        )
        self._wall.made, self._monotonic.made, self._seed_is_new = [], [], False
        return record

    @property
    def replaying(self) -> bool:
        return self._has_records and (self._wall.replaying or self._monotonic.replaying)

    def check_all_told(self) -> None:
        """Raise `ReplayDiverged` when a batch has ended without asking again for all that it once asked for."""
        if self.replaying:
            raise ReplayDiverged("it read the clock less often")
