"""Answers that are given again where a client did not hear them, to requests that have no key in the ledger."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final, Generic, TypeVar

from statek_protocol.messages.base import Message

M = TypeVar("M", bound=Message)

ANSWERS_KEPT: Final = 1_000


class KeptAnswers(Generic[M]):
    """The newest answers, by request."""

    def __init__(self) -> None:
        self._answers: OrderedDict[str, M] = OrderedDict()

    def answer(self, request: str, decide: Callable[[], M]) -> M:
        """Return what was answered to a request, or decide, and keep the answer; raises what deciding raises."""
        known = self._answers.get(request)
        if known is not None:
            return known
        answer = self._answers[request] = decide()
        if len(self._answers) > ANSWERS_KEPT:
            self._answers.popitem(last=False)
        return answer
