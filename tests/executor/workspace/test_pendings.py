"""Does a value that may not be there yet go on as one thing under all its names, in whatever process?"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.executor.workspace.processes import Process

from statek_executor.workspace import MalformedWorkspace
from statek_policies.language.pending import FUTURES, element, pending


@pytest.fixture(autouse=True)
def waited() -> Iterator[list[int]]:
    """List the futures whose values were waited for."""
    numbers: list[int] = []

    def fetch(number: int) -> object:
        numbers.append(number)
        return {1: [1, 2], 2: ("left", "right"), 3: "key"}[number]

    FUTURES.fetch, before = fetch, FUTURES.fetch
    yield numbers
    FUTURES.fetch = before


def begun(**variables: object) -> Process:
    process = Process()
    process.globals.update(variables)
    return process


def test_one_that_was_not_fetched_is_stored_without_waiting_and_fetched_once_later(waited: list[int]) -> None:
    later = pending(1)
    process = begun(later=later, also=later, box={"inside": [later]}).successor()
    assert waited == []
    process.run("also.append(3)\n")
    assert process.eval("later == [1, 2, 3] and box['inside'][0] == [1, 2, 3]")
    assert waited == [1]


def test_one_that_was_fetched_keeps_its_value_and_what_was_changed_in_it(waited: list[int]) -> None:
    process = begun(later=pending(1))
    process.run("later.append('mine')\nalso = [later]\n")
    process = process.successor().successor()
    process.run("also[0].append('again')\n")
    assert process.eval("later == [1, 2, 'mine', 'again']")
    assert waited == [1]


def test_elements_stay_elements_of_one_value(waited: list[int]) -> None:
    whole = pending(2)
    process = begun(left=element(whole, 0, 2), right=element(whole, 1, 2)).successor()
    process.run("text = left + right\n")
    assert process.eval("text == 'leftright'")
    assert waited == [2]


def test_one_can_be_the_key_of_a_dictionary_and_hold_itself(waited: list[int]) -> None:
    key, looped = pending(3), pending(1)
    process = begun(table={key: 1}, looped=looped)
    process.run("looped.append(looped)\n")
    process = process.successor()
    assert process.eval("table['key'] == 1 and looped[2][2][0] == 1")


@pytest.mark.parametrize(
    "state",
    [
        [-1, None, 0, 0, False, None],
        ["1", None, 0, 0, False, None],
        [1, "parent", 0, 0, False, None],
        [1, None, 0, 0, 1, None],
        [1, None, 0],
    ],
)
def test_stored_bytes_that_describe_none_are_refused(monkeypatch: pytest.MonkeyPatch, state: object) -> None:
    from statek_executor.workspace import pendings

    monkeypatch.setattr(pendings, "state", lambda value: state)
    process = begun(later=pending(1))
    data = process.encode().data
    with pytest.raises(MalformedWorkspace):
        Process().restore(data)
