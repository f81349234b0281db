"""A change in dbzero and what tells of it are one commit; who asks again is told what came of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future

import calls_stand
import dbzero as db0
import pytest
from calls_stand import PATIENCE, PREFIX, Room, Stand

from statek.calls.tools import tool
from statek.store import markers
from statek.store.errors import MirrorStopped
from statek_protocol import operations
from statek_protocol.references import HandleRef

OTHER = "another"


@pytest.fixture(autouse=True)
def _no_marker_is_there(stand: Stand) -> None:
    def prepare() -> None:
        markers.forget_ended(lambda job, batch: True)
        db0.open(OTHER, "rw")
        db0.open(PREFIX, "rw")

    stand.there(prepare)


@pytest.fixture
def room(stand: Stand) -> Room:
    return stand.room("green")


def changing(room: Room) -> Callable[[], object]:
    def change() -> object:
        """Change one room and make another."""
        room.seats += 1
        made = Room("new")
        db0.tags(made).add("kept")
        return made

    return change


def giving(room: Room) -> Callable[[], object]:
    def give() -> object:
        return room

    return give


def marked(stand: Stand) -> int:
    return stand.there(markers.count)


def test_a_repeated_call_is_answered_by_its_marker_and_not_made_again(stand: Stand, room: Room) -> None:
    guest = stand.guest(giving(room))
    handle = guest.tool("give").value
    first = guest.invoke(handle, "rename", "red")
    assert (first.value, marked(stand)) == ("red", 1)
    number = next(stand.numbers)
    assert guest.operate(operations.OBJECT_INVOKE, handle, "rename", ("blue",), {}, number=number).value == "blue"
    stand.there(lambda: room.rename("meanwhile"))
    again = guest.operate(operations.OBJECT_INVOKE, handle, "rename", ("blue",), {}, number=number, repeated=True)
    assert again.value == "blue"
    assert stand.there(lambda: room.name) == "meanwhile"


def test_a_repeated_call_without_a_marker_is_made(stand: Stand, room: Room) -> None:
    guest = stand.guest(giving(room))
    handle = guest.tool("give").value
    assert guest.operate(operations.OBJECT_SET, handle, "name", "late", repeated=True).error is None
    assert stand.there(lambda: room.name) == "late"


def test_what_only_reads_leaves_no_marker(stand: Stand, room: Room) -> None:
    guest = stand.guest(giving(room))
    handle = guest.tool("give").value
    assert guest.get(handle, "name").value == "green"
    assert guest.get(handle, "doubled").value == 2
    assert marked(stand) == 0


def test_an_operation_that_fails_after_a_change_has_failed_once(stand: Stand, room: Room) -> None:
    guest = stand.guest(giving(room))
    handle = guest.tool("give").value
    number = next(stand.numbers)
    ask = (operations.OBJECT_INVOKE, handle, "fail_after_change", (), {})
    assert guest.operate(*ask, number=number).told == ("ValueError", "changed and failed")
    assert guest.operate(*ask, number=number, repeated=True).told == ("ValueError", "changed and failed")
    assert stand.there(lambda: room.seats) == 2


def test_a_transactional_tool_that_is_repeated_gives_the_object_that_it_made(stand: Stand, room: Room) -> None:
    guest = stand.guest(tool(transactional=True)(changing(room)), giving(room))
    number = next(stand.numbers)
    first = guest.tool("change", number=number)
    assert first.value == HandleRef(0, "Room")
    guest.recorded.clear()  # the scheduler died before it was on record
    guest.restart()
    assert guest.tool("give").value == HandleRef(0, "Room"), "another object has taken the number meanwhile"
    again = guest.tool("change", number=number, repeated=True)
    assert again.value == HandleRef(1, "Room")
    assert guest.get(again.value, "name").value == "new"
    assert stand.there(lambda: room.seats) == 2


def test_a_tool_may_not_commit_in_the_middle(stand: Stand, room: Room) -> None:
    @tool(transactional=True)
    def hasty() -> None:
        db0.commit()

    assert stand.guest(hasty).tool("hasty").told[0] == "RuntimeError"
    stand.there(db0.commit)


def test_a_change_in_two_files_of_which_one_is_lost_is_unknown(stand: Stand, room: Room) -> None:
    def elsewhere() -> Room:
        db0.open(OTHER, "rw")
        made = Room("elsewhere")
        db0.tags(made).add("kept")
        db0.open(PREFIX, "rw")
        return made

    other = stand.there(elsewhere)

    @tool(transactional=True)
    def both() -> None:
        room.seats, other.seats = 5, 5

    guest = stand.guest(both)
    number = next(stand.numbers)
    assert guest.tool("both", number=number).error is None
    assert marked(stand) == 2
    assert guest.tool("both", number=number, repeated=True).error is None
    stand.there(lambda: markers.Markers(OTHER).batches.clear())
    told = guest.tool("both", number=number, repeated=True).told
    assert told[0] == "ToolOutcomeUnknown"
    assert "are in application and not in another" in told[1]


def test_markers_are_forgotten_with_their_batch(stand: Stand, room: Room) -> None:
    guest = stand.guest(giving(room))
    handle = guest.tool("give").value
    guest.invoke(handle, "rename", "red")
    stand.there(lambda: markers.forget("someone-else", 1))
    assert marked(stand) == 1
    stand.there(lambda: markers.forget(guest.job, 1))
    assert marked(stand) == 0


def test_changes_that_wait_together_are_committed_together(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    commits: list[str] = []
    plain = db0.commit
    rooms = [stand.room(str(number)) for number in range(10)]

    def counted(*prefix: str) -> None:
        commits.append(*prefix or ("all",))
        plain(*prefix)

    def change(room: Room) -> int:
        room.seats += 1
        return len(commits)

    async def together() -> list[int]:
        started = [stand.mirror.submit(lambda room=room: change(room), durable=True) for room in rooms]  # type: ignore[misc]
        return list(await asyncio.gather(*map(asyncio.wrap_future, started)))

    stand.there(plain)
    monkeypatch.setattr(db0, "commit", counted)
    seen = asyncio.run(asyncio.wait_for(together(), PATIENCE))
    assert commits.count(PREFIX) < len(rooms)
    assert set(commits) == {PREFIX}, "the scheduler's own objects wait for their time"
    assert seen == sorted(seen)


def test_a_commit_that_fails_is_found_out_and_the_call_made_once_more(
    stand: Stand, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dbzero fails before anything is durable, and the thread goes on: what was changed is told by the marker."""
    guest = stand.guest(giving(room))
    handle = guest.tool("give").value
    plain, failures = stand.mirror.submit, [RuntimeError("no commit")]

    def failing(run: Callable[[], object], **options: bool) -> Future[object]:
        submitted = plain(run, **options)
        if not failures or not options.get("durable"):
            return submitted
        submitted.result(PATIENCE)
        failed: Future[object] = Future()
        failed.set_exception(failures.pop())
        return failed

    monkeypatch.setattr(stand.mirror, "submit", failing)
    assert guest.invoke(handle, "rename", "once").value == "once"
    assert not failures


def test_a_call_that_dbzeros_end_cuts_off_has_no_outcome_for_the_next_scheduler_to_find(
    stand: Stand, room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    guest = stand.guest(giving(room))

    def stopped(_: Callable[[], object], **__: bool) -> Future[object]:
        raise MirrorStopped

    monkeypatch.setattr(stand.mirror, "submit", stopped)
    monkeypatch.setattr(calls_stand, "PATIENCE", 0.2)
    with pytest.raises(TimeoutError):
        guest.tool("give")
