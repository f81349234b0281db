"""What clients ask about futures: to complete a key from outside, to give up what is waited for."""

from __future__ import annotations

from functools import partial
from typing import Final

from statek.api.kept_answers import KeptAnswers
from statek.core.futures import Settlement
from statek.errors import SubmissionRefused
from statek.futures.results import checked_key
from statek.loop.loop import Loop
from statek.loop.tick import Tick
from statek.loop.waiting import TooManyCompletions
from statek_protocol.messages.base import MIB
from statek_protocol.messages.client import CancelWait, Complete, Completed
from statek_protocol.values import MalformedValue, decode_value

FutureRequest = Complete | CancelWait

COMPLETION_BYTES: Final = MIB
COMPLETION_DEPTH: Final = 64


class FutureRequests:
    """Decides upon them in a turn of the loop."""

    def __init__(self, loop: Loop) -> None:
        self._loop = loop
        self._kept: KeptAnswers[Completed] = KeptAnswers()

    def answer(self, request: FutureRequest, tick: Tick) -> Completed:
        """Decide, and return what the client is told once it is durable; raises `SubmissionRefused`."""
        decide = partial(self._complete, request) if isinstance(request, Complete) else partial(self._cancel, request)
        return self._kept.answer(request.request, partial(decide, tick))

    def _complete(self, request: Complete, tick: Tick) -> Completed:
        """Complete a key from outside; the value is read once, so that no guest is given what is none."""
        try:
            key = checked_key(request.key)
            if (request.value is None) == (request.error is None):
                raise ValueError("a completion has a value or an error, and not both")
            if request.value is not None:
                decode_value(request.value, max_bytes=COMPLETION_BYTES, max_depth=COMPLETION_DEPTH)
            completed = self._loop.waiting.complete(tick, key, Settlement(request.value, request.error))
        except (MalformedValue, TooManyCompletions, ValueError) as error:
            raise SubmissionRefused("completion", str(error)) from error
        return Completed(request.request, *completed)

    def _cancel(self, request: CancelWait, tick: Tick) -> Completed:
        """Give up what is waited for: by everybody who waits for a key, or by one job."""
        match request:
            case CancelWait(key=str(key), job=None):
                futures = self._loop.waiting.cancel_key(tick, key)
            case CancelWait(key=None, job=str(job)):
                if self._loop.job_in_turn(tick, job) is None:
                    raise SubmissionRefused("unknown_job", f"there is no job {job!r} in this store")
                futures = self._loop.waiting.cancel_job(tick, job)
            case _:
                raise SubmissionRefused("unknown_job", "name a key or a job")
        return Completed(request.request, "cancelled" if futures else "nothing", futures, ())
