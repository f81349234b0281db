"""Completing what jobs wait for, from an application: in the scheduler's process, or from any other on its machine.

A key is completed once. Whoever is late, early or second is told so, and changes nothing that is durable already:

completed  open futures of the key have their outcome; `ended` names those of their jobs that are over
kept       there is no future of the key yet; one that is made later has this outcome at once
late       all futures of the key had given up (a deadline, a cancellation); kept for one that is made later
duplicate  the key was completed before; this completion is dropped
cancelled  futures of the key were given up
nothing    there was nothing to give up
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from statek.application.asking import decided
from statek.core.futures import FUTURE_FAILED, Settlement
from statek.errors import SubmissionRefused
from statek.futures.results import checked_key
from statek.loop.loop import Loop
from statek.loop.tick import Tick
from statek_protocol.messages.base import MIB, TEXT_LIMIT
from statek_protocol.messages.interpreter import GuestError
from statek_protocol.values import ValueRefused, encode_value

if TYPE_CHECKING:
    from statek_protocol.messages.client import Completed

VALUE_BYTES: Final = MIB
VALUE_DEPTH: Final = 64


@dataclass(frozen=True, slots=True)
class FutureCompletion:
    """What became of a completion, durably, and how many futures came to their outcome by it."""

    outcome: Literal["completed", "kept", "late", "duplicate", "cancelled", "nothing"]
    futures: int
    ended: tuple[str, ...] = ()
    """The first of the jobs with such a future that have ended: they meet its outcome only if they are tried again."""


def complete_future(key: str, value: Any = None, *, store: Path | str | None = None) -> FutureCompletion:
    """Give the futures of a key their value, now and later; durable on return.

    From any thread but the scheduler's own loop. Without `store` the scheduler of this process is meant, or where there
    is none the one of the store that `statek` commands use; where no scheduler runs at all, that store itself. Raises
    TypeError for a value that cannot cross, a `StatekError` when it cannot be kept or no scheduler answers.
    """
    try:
        data = encode_value(value, max_bytes=VALUE_BYTES, max_depth=VALUE_DEPTH)
    except ValueRefused as error:
        raise TypeError(str(error)) from error
    return complete(store, checked_key(key), data, None)


def fail_future(key: str, error: str | BaseException, *, store: Path | str | None = None) -> FutureCompletion:
    """Let the futures of a key fail: guests get `FutureFailed` with this text. Otherwise as `complete_future`."""
    text = error if isinstance(error, str) else f"{type(error).__name__}: {error}"
    told = text[:TEXT_LIMIT].encode("utf-8", "backslashreplace").decode()
    return complete(store, checked_key(key), None, GuestError(FUTURE_FAILED, told[:TEXT_LIMIT], None))


def cancel_future(key: str, *, store: Path | str | None = None) -> FutureCompletion:
    """Give up the open futures of a key: guests get `WaitCancelled`. The key may still be completed for later ones."""
    return cancel(store, key=checked_key(key))


def complete(store: Path | str | None, key: str, value: bytes | None, error: GuestError | None) -> FutureCompletion:
    """Complete a key with an encoded value or an error."""
    settlement = Settlement(value, error)

    def decide(loop: Loop, tick: Tick) -> FutureCompletion:
        return FutureCompletion(*loop.waiting.complete(tick, key, settlement))

    return decided(store, decide, lambda client: _told(client.complete(key, value, error)))


def cancel(store: Path | str | None, *, key: str | None = None, job: str | None = None) -> FutureCompletion:
    """Give up the open futures of a key, or what a job waits for."""

    def decide(loop: Loop, tick: Tick) -> FutureCompletion:
        if job is not None and loop.job(job) is None:
            raise SubmissionRefused("unknown_job", f"there is no job {job!r} in this store")
        waiting = loop.waiting
        futures = waiting.cancel_key(tick, key) if key is not None else waiting.cancel_job(tick, job or "")
        return FutureCompletion("cancelled" if futures else "nothing", futures)

    return decided(store, decide, lambda client: _told(client.cancel_wait(key=key, job=job)))


def _told(answer: Completed) -> FutureCompletion:
    return FutureCompletion(answer.outcome, answer.futures, answer.ended)
