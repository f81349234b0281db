"""Variables and objects when dbzero fails under them: asked for again, and given up when that never helps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from statek.calls.giver import GIVEN_UP_AFTER, Giver
from statek.calls.handles import HandleTable
from statek.calls.outcomes import Variables
from statek.core.jobs import Job
from statek.store.errors import MirrorStopped

JOB = Job("job-1", "policy")


class Space:
    """Fails as often as it is told."""

    def __init__(self, *failures: Exception) -> None:
        self.failures = list(failures)

    def variables(self, _table: HandleTable, names: tuple[str, ...], _given: bytes | None) -> Variables:
        self._fail()
        return Variables(names, b"values")

    def look_for(self, bodies: dict[int, bytes]) -> dict[int, str | None]:
        self._fail()
        return dict.fromkeys(bodies)

    def _fail(self) -> None:
        if self.failures:
            raise self.failures.pop(0)


def asked(space: Space, times: int, ask: Callable[[Giver, Callable[..., None]], None]) -> list[Any]:
    """Ask so many times, and return what came of it."""
    answers: list[Any] = []

    async def submit(run: Callable[[], Any]) -> Any:
        return run()

    async def main() -> None:
        giver = Giver(submit, lambda: cast(Any, space), lambda _: HandleTable())
        for _ in range(times):
            ask(giver, lambda *answer: answers.append(answer[-1]))
            await asyncio.sleep(0)
            await asyncio.gather(*giver._tasks)
        await giver.close()

    asyncio.run(main())
    return answers


def test_a_job_gets_its_variables_when_dbzero_is_back() -> None:
    answers = asked(Space(OSError("gone")), 2, lambda giver, on: giver.give(JOB, ("a",), None, on))
    assert answers == [Variables(), Variables(("a",), b"values")]


def test_what_fails_every_time_is_told_as_an_error_of_the_job() -> None:
    failures = [OSError("bad class")] * GIVEN_UP_AFTER
    answers = asked(Space(*failures), GIVEN_UP_AFTER, lambda giver, on: giver.give(JOB, ("a",), None, on))
    assert answers[:-1] == [Variables()] * (GIVEN_UP_AFTER - 1)
    assert "OSError: bad class" in answers[-1].error.message


def test_events_are_looked_at_again_and_given_up_when_that_never_helps() -> None:
    failures = [OSError("bad class")] * GIVEN_UP_AFTER
    answers = asked(Space(*failures), GIVEN_UP_AFTER + 1, lambda giver, on: giver.look({7: b""}, on))
    assert answers[:-2] == [{}] * (GIVEN_UP_AFTER - 1)
    assert "OSError: bad class" in answers[-2][7]
    assert answers[-1] == {7: None}


def test_events_wait_for_the_next_scheduler_when_this_one_ends(caplog: pytest.LogCaptureFixture) -> None:
    assert asked(Space(MirrorStopped()), 1, lambda giver, on: giver.look({7: b""}, on)) == []
