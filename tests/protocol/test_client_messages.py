"""What a client asks for arrives as it was written."""

import pytest

from statek_policies import InvalidLimit, Policy
from statek_protocol.codec import decode, encode
from statek_protocol.messages.client import FROM_CLIENT, NewBatch, Submit


def sent(limits: dict[str, object]) -> Submit:
    submit = Submit("request", None, Policy().to_wire(), limits, {}, (NewBatch("a.py", b"x = 1"),))
    received = decode(encode(submit), FROM_CLIENT)
    assert isinstance(received, Submit)
    return received


def test_whole_numbers_among_the_limits_stay_whole() -> None:
    received = sent({"memory_bytes": 64 * 1024**2, "cpu_seconds": 0.5, "calls": 3})
    assert [type(value) for value in received.limits.values()] == [int, float, int]
    assert Policy.from_wire(received.policy).with_limits(**received.limits).limits.memory_bytes == 64 * 1024**2


@pytest.mark.parametrize("value", ["many", None, [1], {"a": 1}, True, 1.5, b"1"])
def test_a_limit_that_is_no_whole_number_is_refused_by_the_policy(value: object) -> None:
    received = sent({"calls": value})
    with pytest.raises(InvalidLimit):
        Policy.from_wire(received.policy).with_limits(**received.limits)
