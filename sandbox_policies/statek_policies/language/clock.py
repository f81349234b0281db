"""The clock that a guest reads: every reading goes through the host, so that a replay sees the same times."""

import datetime
import time
from collections.abc import Callable
from typing import Any

from statek_policies.language.host import Host

_SECOND_NS = 1_000_000_000
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


class ClockReadings:
    """What replaces the readings of `datetime` and `time`; local time is UTC."""

    def __init__(self, host: Host) -> None:
        self._host = host

    def reading(self, cls: Any, name: str, found: Any) -> Any:
        """Replace a class method of `date`, `datetime` or a class derived from them that asks the clock."""
        if issubclass(cls, datetime.datetime):
            return self._utcnow(cls) if name == "utcnow" else self._now(cls)
        return self._today(cls) if issubclass(cls, datetime.date) and name == "today" else found

    def _now(self, cls: Any) -> Callable[..., Any]:
        def now(tz: datetime.tzinfo | None = None) -> Any:
            moment = self._moment()
            return _as(cls, moment.astimezone(tz) if tz is not None else moment.replace(tzinfo=None))

        return now

    def _utcnow(self, cls: Any) -> Callable[[], Any]:
        return lambda: _as(cls, self._moment().replace(tzinfo=None))

    def _today(self, cls: Any) -> Callable[[], Any]:
        def today() -> Any:
            moment = self._moment()
            return cls(moment.year, moment.month, moment.day)

        return today

    def _moment(self) -> datetime.datetime:
        return _EPOCH + datetime.timedelta(microseconds=self._host.time_ns() // 1000)

    def exports(self) -> dict[str, object]:
        """Return what `time` exports beside the functions that read no clock."""
        host = self._host
        seconds = {"time": host.time_ns, "monotonic": host.monotonic_ns, "perf_counter": host.monotonic_ns}
        exports: dict[str, object] = {name: _in_seconds(read) for name, read in seconds.items()}
        exports |= {f"{name}_ns": _as_function(read) for name, read in seconds.items()}
        exports |= {name: self._since_epoch(getattr(time, name)) for name in ("gmtime", "localtime", "ctime")}
        return exports | {
            "process_time": _in_seconds(host.monotonic_ns),
            "process_time_ns": _as_function(host.monotonic_ns),
            "sleep": self._sleep(),
            "strftime": self._for_tuple(time.strftime, 1),
            "asctime": self._for_tuple(time.asctime, 0),
        }

    def _sleep(self) -> Callable[[float], None]:
        def sleep(seconds: float, /) -> None:
            if seconds < 0:
                raise ValueError("sleep length must be non-negative")
            self._host.sleep(float(seconds))

        return sleep

    def _since_epoch(self, convert: Callable[..., Any]) -> Callable[..., Any]:
        """Let a conversion that takes the present moment by default take it from the host."""

        def converted(seconds: float | None = None, /) -> Any:
            return convert(self._host.time_ns() / _SECOND_NS if seconds is None else seconds)

        converted.__name__ = convert.__name__
        return converted

    def _for_tuple(self, show: Callable[..., str], required: int) -> Callable[..., str]:
        def shown(*arguments: Any) -> str:
            if len(arguments) == required:
                arguments = (*arguments, time.gmtime(self._host.time_ns() / _SECOND_NS))
            return show(*arguments)

        shown.__name__ = show.__name__
        return shown


def _as(cls: Any, moment: datetime.datetime) -> Any:
    """Make the same moment of a class derived from `datetime`."""
    if cls is datetime.datetime:
        return moment
    date, clock = moment.date(), moment.timetz()
    parts = (date.year, date.month, date.day, clock.hour, clock.minute, clock.second, clock.microsecond)
    return cls(*parts, tzinfo=clock.tzinfo, fold=moment.fold)


def _in_seconds(read: Callable[[], int]) -> Callable[[], float]:
    return lambda: read() / _SECOND_NS


def _as_function(read: Callable[[], int]) -> Callable[[], int]:
    """Hide the method's owner, the host."""
    return lambda: read()
