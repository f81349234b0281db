"""What a guest prints is gathered for a moment, whole and in order, and how much goes on in a second has a bound."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from statek_executor.supervisor.flow import BYTES_AT_ONCE, BYTES_PER_SECOND, Flow
from statek_executor.supervisor.printed import GATHER_SECONDS, Printed
from statek_policies import Limits
from statek_protocol.messages.base import CONSOLE_CHUNK_LIMIT
from statek_protocol.messages.interpreter import Console


def test_what_comes_after_a_pause_has_to_go_on_at_once() -> None:
    printed = Printed()
    printed.add(Console(1, b"first"))
    assert printed.wait_seconds(0.0) == 0.0
    assert printed.take(0.0) == Console(1, b"first")
    assert not printed
    printed.add(Console(1, b"second"))
    assert printed.wait_seconds(0.0) == GATHER_SECONDS
    assert printed.wait_seconds(GATHER_SECONDS) == 0.0


@given(st.lists(st.binary(min_size=1, max_size=CONSOLE_CHUNK_LIMIT), max_size=8))
def test_nothing_is_lost_and_no_message_is_too_large(pieces: list[bytes]) -> None:
    printed, passed_on = Printed(), []
    for piece in pieces:
        if not printed.has_room(Console(1, piece)):
            passed_on.append(printed.take(0.0).data)
        printed.add(Console(1, piece))
    passed_on.append(printed.take(0.0).data)
    assert b"".join(passed_on) == b"".join(pieces)
    assert all(len(data) <= CONSOLE_CHUNK_LIMIT for data in passed_on)


def test_what_came_in_the_name_of_two_batches_is_not_put_together() -> None:
    printed = Printed()
    printed.add(Console(1, b"one"))
    assert not printed.has_room(Console(2, b"two"))
    assert printed.take(0.0) == Console(1, b"one")
    assert printed.has_room(Console(2, b"two"))


def test_a_flood_is_slowed_down_to_so_many_bytes_a_second() -> None:
    flow, message = Flow(Limits(), 0.0), Console(1, bytes(CONSOLE_CHUNK_LIMIT))
    for _ in range(BYTES_AT_ONCE // CONSOLE_CHUNK_LIMIT):
        assert flow.pause_after(message, 0.0) == 0.0
    assert flow.pause_after(message, 0.0) == CONSOLE_CHUNK_LIMIT / BYTES_PER_SECOND
