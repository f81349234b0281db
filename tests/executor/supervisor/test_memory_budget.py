"""Are the longest waits given up first, and no more of them than memory asks for?"""

from __future__ import annotations

import pytest

from statek_executor.supervisor.memory_budget import Waiting, to_end

THREE = (Waiting("young", 30.0, 10), Waiting("old", 10.0, 10), Waiting("middle", 20.0, 10))


@pytest.mark.parametrize(
    ("budget", "ended"),
    [(30, []), (29, ["old"]), (20, ["old"]), (19, ["old", "middle"]), (0, ["old", "middle", "young"])],
)
def test_the_longest_waits_go_until_the_rest_fits(budget: int, ended: list[str]) -> None:
    assert to_end(THREE, budget) == ended
