"""What an application makes for a value that is not there yet: `FutureResult`, its elements, and several as one.

These are plain objects: what is durable of them is written when one crosses to a guest. An application may also use
them by itself: `value` gives the value or raises `FutureError` while there is none, and never waits.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Final, Literal, cast, get_args, get_origin, get_type_hints

from statek.core.awaiting import OF_SUBTASK, PARTS_LIMIT
from statek_protocol.messages.base import NAME_LIMIT

Condition = Callable[["FutureResult"], object]
Complement = Callable[["FutureResult"], object]
"""Application functions, called with the future; what they give is any."""

LONGEST_SECONDS: Final = 10 * 366 * 24 * 3600.0


class FutureError(Exception):
    """The value is not there yet. A complement may raise it too: then the future is asked again later."""

    def __init__(self, future_result: object, instr_num: int | None = None) -> None:
        super().__init__("the value is not there yet")
        self.future_result = future_result
        self.instr_num = instr_num


class FutureFailed(Exception):
    """The value will never be there. A condition or complement raises it to end the wait; the guest gets the text."""


class _Awaitable(ABC):
    """What a future and an element of one have in common."""

    @property
    @abstractmethod
    def value(self) -> Any:
        """Return the value; raises `FutureError` while there is none, and `FutureFailed` when there never will be."""

    @abstractmethod
    def check_condition(self) -> bool:
        """Tell whether the value is there."""


class FutureResult(_Awaitable):
    """A value that is not there yet.

    `deps` is what its condition looks at: a dbzero object or a plain value, or a set or tuple of them. With dbzero
    objects the condition is asked again when something has changed in their prefix since `state_num`, not all the time.
    A future with a `key` can be completed from outside under that name (`statek.complete_future`).
    After `deadline_seconds` without a value whoever waits gets `WaitTimeout`.
    """

    def __init__(
        self,
        deps: Any = None,
        state_num: int | None = None,
        *,
        key: str | None = None,
        deadline_seconds: float | None = None,
    ) -> None:
        """Raises TypeError or ValueError for what could not be kept."""
        self.deps = deps
        self.state_num = _checked_state(state_num)
        self.key = None if key is None else checked_key(key)
        self.deadline_seconds = checked_deadline(deadline_seconds)
        self._complement: Complement | None = None
        self._condition: Condition | None = None
        self._outcome: tuple[Any, Exception | None] | None = None
        self.numbers: dict[str, int] = {}
        """Its number in each job that it has crossed to."""

    def set_complement_functions(self, complement: Complement, condition: Condition) -> None:
        """Say how the value is fetched and how one can tell that it is there; `temporal` does it."""
        self._complement, self._condition = complement, condition

    @property
    def has_functions(self) -> bool:
        return self._condition is not None

    @property
    def functions(self) -> tuple[Complement | None, Condition | None]:
        return self._complement, self._condition

    def settle(self, value: Any, error: Exception | None = None) -> None:
        """Give it its outcome once and for all; a second one changes nothing."""
        if self._outcome is None:
            self._outcome = (value, error)

    @property
    def value(self) -> Any:
        if self._outcome is None:
            self._fetch()
        value, error = self._outcome or (None, FutureError(self))
        if error is not None:
            raise error
        return value

    def _fetch(self) -> None:
        if self._complement is None or not self.check_condition():
            raise FutureError(self)
        self.settle(self._complement(self))

    def check_condition(self) -> bool:
        if self._outcome is not None:
            return True
        return self._condition is not None and bool(self._condition(self))

    def __iter__(self) -> Iterator[FutureElement]:
        """Unpack into elements that are not there yet either; the number of them must be known beforehand."""
        return (FutureElement(self, index) for index in range(self._size()))

    def _size(self) -> int:
        if self._outcome is not None or self._complement is None:
            return len(self.value)
        hint = get_type_hints(self._complement).get("return")
        if get_origin(hint) is tuple and Ellipsis not in get_args(hint):
            return len(get_args(hint))
        name = getattr(self._complement, "__name__", "its complement")
        raise TypeError(f"cannot unpack a future of unknown size: annotate what {name} returns as tuple[X, Y]")


class FutureElement(_Awaitable):
    """One element of a future's value: what unpacking a future gives."""

    def __init__(self, future: FutureResult | FutureElement, index: int) -> None:
        self.future = future
        self.index = index

    @property
    def value(self) -> Any:
        return self.future.value[self.index]

    def check_condition(self) -> bool:
        return self.future.check_condition()


class CombinedFuture(FutureResult):
    """Several futures as one: of the first value that is there, or of all."""

    def __init__(self, shape: Literal["any", "all"], parts: tuple[Any, ...], deadline_seconds: float | None) -> None:
        super().__init__(deadline_seconds=deadline_seconds)
        if not parts:
            raise TypeError(f"get_{shape}_future needs at least one future")
        if len(parts) > PARTS_LIMIT:
            raise ValueError(f"get_{shape}_future takes at most {PARTS_LIMIT} futures; combine combinations of them")
        self.shape: Literal["any", "all"] = shape
        self.parts = parts

    def _fetch(self) -> None:
        if not self.check_condition():
            raise FutureError(self)
        ready = [part for part in self.parts if is_ready(part)]
        self.settle(_first_success(ready) if self.shape == "any" else tuple(map(value_of, self.parts)))

    def check_condition(self) -> bool:
        return self._outcome is not None or (any if self.shape == "any" else all)(map(is_ready, self.parts))

    def _size(self) -> int:
        return len(self.parts) if self.shape == "all" else len(self.value)


def get_any_future(*futures: Any, deadline_seconds: float | None = None) -> FutureResult:
    """Make a future of the first of some futures that has a value; a plain value among them is there already."""
    return CombinedFuture("any", futures, deadline_seconds)


def get_all_future(*futures: Any, deadline_seconds: float | None = None) -> FutureResult:
    """Make a future of the values of all of some futures, as a tuple in their order."""
    return CombinedFuture("all", futures, deadline_seconds)


def is_ready(part: Any) -> bool:
    return not isinstance(part, _Awaitable) or part.check_condition()


def value_of(part: Any) -> Any:
    return part.value if isinstance(part, _Awaitable) else part


def _first_success(parts: list[Any]) -> Any:
    """Return the first value that can be had; raises what the last one raised when none can."""
    for part in parts[:-1]:
        try:
            return value_of(part)
        except Exception:  # noqa: BLE001, S112 - a part that failed is no candidate; the last one's error is told
            continue
    return value_of(parts[-1])


def checked_key(key: object) -> str:
    """Check the name of a future that is completed from outside, whoever chose it; raises TypeError or ValueError."""
    if type(key) is not str:
        raise TypeError(f"a future's key is a str, not {type(key).__name__}")
    if not 1 <= len(key) <= NAME_LIMIT or not key.isprintable():
        raise ValueError(f"a future's key has 1 to {NAME_LIMIT} printable characters")
    if key.startswith(OF_SUBTASK):  # a guest may have chosen it: it would learn, or forge, what another job ended with
        raise ValueError(f"a key that begins with {OF_SUBTASK!r} is a subtask's, and completed by nothing but its end")
    return key


def checked_deadline(seconds: object) -> float | None:
    """Check a number of seconds, or None for no deadline; raises TypeError or ValueError."""
    if seconds is None:
        return None
    if type(seconds) not in (int, float):
        raise TypeError(f"deadline_seconds is a number, not {type(seconds).__name__}")
    if not 0 <= (number := cast(float, seconds)) <= LONGEST_SECONDS:  # which NaN is not either
        raise ValueError(f"deadline_seconds is from 0 to {LONGEST_SECONDS:.0f}")
    return float(number)


def _checked_state(state_num: object) -> int | None:
    if state_num is None or (type(state_num) is int and 0 <= state_num < 2**53):
        return state_num
    raise TypeError(f"state_num is a state number of dbzero (an int), not {state_num!r}")
