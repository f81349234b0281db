"""How long until a future is looked at again. Pure; the numbers that bound what looking costs are here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

FIRST_SECONDS: Final = 0.05
"""After the first look; from then on a tenth of the time that the wait has lasted."""
LONGEST_SECONDS: Final = 5.0
RESTING_SECONDS: Final = 30.0
"""For a future that is looked at when something has changed in dbzero: in case that a change was missed."""
FAILED_SECONDS: Final = 1.0
"""After a condition raised or hung; doubles with every failure in a row."""
LONGEST_FAILED_SECONDS: Final = 300.0
LOOK_SECONDS: Final = 150e-6
"""What a look costs at least, in both threads together, however quick the condition is (measured: 110 µs)."""
NEW_SECONDS: Final = 1.0
SHORTEST_PAUSE_SECONDS: Final = 0.02
"""So that looks that are due one after the other are made together: each portion costs as much as ten looks."""
LONGEST_PAUSE_SECONDS: Final = 0.2
SLOW_SECONDS: Final = 0.02
"""What looking takes beyond this is held against the slow one alone."""
SHARE: Final = 0.1
"""Of the time of dbzero's thread that looking may take."""


def interval(waited: float, failures: int, *, resting: bool, taken: float, waiting: int, cost: float) -> float:
    """Return the seconds until the next look at a future.

    `waited` is how long it has been waited for, `failures` how often in a row its condition has failed, `resting`
    that a change wakes it, `taken` what the last look took, `waiting` how many futures there are to look at, and `cost`
    the seconds that one look takes on average.
    """
    alone = crowd(1, taken)
    if failures:
        return max(alone, min(LONGEST_FAILED_SECONDS, FAILED_SECONDS * 2.0 ** min(failures - 1, 16)))
    if resting:
        return max(alone, RESTING_SECONDS, crowd(waiting, cost))
    own = min(LONGEST_SECONDS, max(FIRST_SECONDS, waited / 10))
    return max(alone, own if own < NEW_SECONDS else max(own, crowd(waiting, cost)))


def crowd(waiting: int, cost: float) -> float:
    """Return the interval at which looking at everybody takes half the share; the other half is for the newest."""
    return waiting * max(cost, LOOK_SECONDS) / (SHARE / 2)


def first(waited: float, waiting: int, cost: float) -> float:
    """Return the seconds until the first look: none for a new wait; old ones, taken up at a start, do not crowd in."""
    return 0.0 if waited < NEW_SECONDS else crowd(waiting, cost)


def pause(looks: Iterable[float]) -> float:
    """Return how long to leave dbzero's thread to others after looks that took so long.

    Bounded, since one that is slow is looked at less often itself and must not keep all others from being looked at.
    """
    seconds = sum(min(SLOW_SECONDS, max(LOOK_SECONDS, taken)) for taken in looks)
    return min(LONGEST_PAUSE_SECONDS, max(SHORTEST_PAUSE_SECONDS, seconds * (1 - SHARE) / SHARE))


def worth_telling(failures: int) -> bool:
    """Tell whether this failure in a row is recorded: the first, the second, the fourth, and so on."""
    return failures & (failures - 1) == 0
