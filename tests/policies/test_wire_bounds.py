"""A policy cannot allow what no message could carry."""

from __future__ import annotations

import pytest

from statek_policies import Limits, PolicyError
from statek_policies.language.facades.console import EXIT_STATUS_CHARACTERS
from statek_protocol.messages import base


@pytest.mark.parametrize(
    ("limit", "carried"),
    [
        ("workspace_bytes", base.WORKSPACE_LIMIT),
        ("variables", base.VARIABLES_LIMIT),
        ("argument_bytes", base.ARGUMENTS_LIMIT),
        ("source_bytes", base.SOURCE_LIMIT),
    ],
)
def test_the_largest_allowance_is_what_a_message_carries(limit: str, carried: int) -> None:
    assert getattr(Limits(**{limit: carried}), limit) == carried
    with pytest.raises(PolicyError, match=str(carried)):
        Limits(**{limit: carried + 1})


def test_the_longest_text_of_an_exit_is_what_a_message_carries() -> None:
    assert EXIT_STATUS_CHARACTERS == base.EXIT_STATUS_LIMIT
