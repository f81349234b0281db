"""Futures as they cross to a job: numbered once, refused whole, found again."""

from __future__ import annotations

from typing import Any

import pytest

from statek import FutureError, FutureFailed, FutureResult, get_all_future, get_any_future, temporal
from statek.calls.tools import ToolRegistry
from statek.core.events import FutureCreated, FutureResolved
from statek.futures.dependencies import encode_deps
from statek.futures.registry import FutureRefused, Futures, Registration, ToolMissing
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.references import FutureRef
from statek_protocol.values import decode_value, encode_value


def complement(future: FutureResult) -> tuple[Any, int]:
    return future.deps, 2


def condition(future: FutureResult) -> bool:
    return True


@temporal(complement, condition)
def wait(what: object) -> FutureResult:
    return FutureResult(what, 7)


@temporal(extends=wait)
def wait_more(what: object) -> FutureResult:
    return FutureResult(what)


@pytest.fixture
def futures() -> Futures:
    tools = ToolRegistry([wait, wait_more])
    return Futures(lambda: tools.temporals)


def written(value: object) -> bytes:
    return encode_value(value, max_bytes=1_000, max_depth=5)


def crossing(futures: Futures, *, registered: int = 0, room: int = 10, job: str = "job") -> Registration:
    return futures.registration(job, registered=registered, room=room, encode=written)


def created(registration: Registration) -> list[FutureCreated]:
    return [event for event in registration.events if isinstance(event, FutureCreated)]


def test_a_future_keeps_its_number_in_a_job_and_has_another_in_the_next(futures: Futures) -> None:
    first, second = wait(1), wait(2)
    here = crossing(futures)
    assert [here.refer(future).number for future in (first, second, first)] == [0, 2, 0]
    assert [event.number for event in created(here)] == [0, 2]
    again = crossing(futures, registered=2)
    assert again.refer(second) == FutureRef(2)
    assert not again.events
    assert crossing(futures, registered=30, job="other").refer(second) == FutureRef(60)


def test_numbers_on_their_way_are_not_given_twice(futures: Futures) -> None:
    assert crossing(futures).refer(wait(1)).number == 0
    assert crossing(futures, registered=0).refer(wait(2)).number == 2


def test_combinations_cross_with_all_that_they_are_made_of(futures: Futures) -> None:
    left, right = wait("x")
    here = crossing(futures)
    assert here.refer(get_all_future(left, get_any_future(right, 5))) == FutureRef(6)
    assert [(event.number, event.shape) for event in created(here)] == [
        (0, "temporal"),
        (2, "value"),
        (4, "any"),
        (6, "all"),
    ]
    [value] = [event for event in here.events if isinstance(event, FutureResolved)]
    assert decode_value(value.value or b"", max_bytes=100, max_depth=1) == 5
    assert [(part.number, part.path) for part in created(here)[3].parts] == [(0, (0,)), (4, ())]
    assert here.refer(right) == FutureRef(0, (1,))


def test_a_future_is_made_again_by_the_name_of_its_tool(futures: Futures) -> None:
    here = crossing(futures)
    here.refer(wait_more({"a": (1, 2)}))
    [event] = created(here)
    assert event.function == "wait", "the first tool with these functions"
    tools = ToolRegistry([wait])
    restarted = Futures(lambda: tools.temporals).restore("job", event)
    assert (restarted.deps, restarted.state_num) == ({"a": (1, 2)}, None)
    assert restarted.value == ({"a": (1, 2)}, 2)
    with pytest.raises(ToolMissing, match="no temporal tool 'wait'"):
        Futures(dict).restore("job", event)


def test_a_future_is_made_again_under_a_key_that_may_not_be_chosen_any_more(futures: Futures) -> None:
    before = FutureCreated(0, "temporal", "wait", encode_deps(1), key="job/child-1")
    assert futures.restore("job", before).key == "job/child-1"


def test_functions_that_no_tool_has_are_refused(futures: Futures) -> None:
    future = FutureResult(1)
    future.set_complement_functions(complement, lambda _: True)
    with pytest.raises(FutureRefused, match="could not be found again after a restart"):
        crossing(futures).refer(future)


def test_what_is_taken_back_is_as_if_it_had_never_crossed(futures: Futures) -> None:
    future = wait(1)
    here = crossing(futures)
    here.refer(future)
    here.undo()
    assert not here.events
    again = crossing(futures)
    assert again.refer(future).number == 2
    assert len(created(again)) == 1


def test_more_futures_than_there_is_room_for_are_refused(futures: Futures) -> None:
    here = crossing(futures, room=1)
    here.refer(wait(1))
    with pytest.raises(FutureRefused, match="pending_waits"):
        here.refer(wait(2))


def test_the_applications_own_object_knows_what_was_completed(futures: Futures) -> None:
    done, failed = FutureResult(key="a"), FutureResult(key="b")
    here = crossing(futures)
    numbers = [here.refer(future).number for future in (done, failed)]
    with pytest.raises(FutureError):
        done.value  # noqa: B018 - a property that raises
    futures.settle("job", numbers[0], written([1]), None)
    futures.settle("job", numbers[1], None, GuestError("FutureFailed", "no", None))
    assert done.value == [1]
    assert done.check_condition()
    with pytest.raises(FutureFailed, match="no"):
        failed.value  # noqa: B018 - a property that raises
