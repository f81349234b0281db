"""How what a call brings about is named, so that it is the same thing however often the call is made."""

from __future__ import annotations

from statek.calls.current import CurrentCall, key_of_call, within


def test_what_calls_begin_is_named_anew_by_each_and_the_same_when_made_again() -> None:
    made = []
    for _ in range(2):
        with within("a", "a/1/0"):
            made.append([key_of_call(), key_of_call()])
    assert made[0] == made[1]
    assert len(set(made[0])) == 2
    assert key_of_call() is None


def test_a_job_that_is_called_like_a_key_takes_no_subtask_of_another() -> None:
    with within("subtask/a", "subtask/a/1/0"):
        assert key_of_call() != f"subtask/{CurrentCall('a', 'a/1/0').next_key()}"
