"""Does the longest wait give up its interpreter first, and nobody else's?"""

from __future__ import annotations

from statek.pools.parking import Parking


def three(seconds: float = 30.0, most: int = 10) -> Parking:
    parking = Parking(seconds, most)
    for since, lease in enumerate(("first", "second", "third")):
        parking.park(lease, float(since))
    return parking


def test_each_is_kept_for_its_time_and_no_longer() -> None:
    parking = three()
    assert parking.overdue(29.9) == []
    assert parking.next_overdue(29.5) == 0.5
    assert parking.overdue(31.0) == ["first", "second"]


def test_one_that_goes_on_is_forgotten() -> None:
    parking = three()
    parking.leave("first")
    assert parking.overdue(31.0) == ["second"]
    assert len(parking) == 2
    assert "first" not in parking


def test_the_oldest_of_too_many_are_overdue_at_once() -> None:
    assert three(most=1).overdue(2.0) == ["first", "second"]


def test_nothing_is_kept_where_no_time_is_given() -> None:
    assert three(seconds=0.0).overdue(2.0) == ["first", "second", "third"]


def test_the_longest_of_some_waits_is_chosen_for_its_place() -> None:
    parking = three()
    assert parking.longest(["third", "second", "elsewhere"]) == "second"
    assert parking.longest(["elsewhere"]) is None
    assert Parking(30.0, 10).next_overdue(0.0) is None


def test_parking_again_does_not_begin_the_wait_anew() -> None:
    parking = three()
    parking.park("first", 20.0)
    assert parking.overdue(30.0) == ["first"]
