"""What a guest sees of a traceback: the lines of its own code, and nothing that leads to a frame."""

import linecache
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

Namespace = dict[str, object]
_Frames = Iterator[tuple[types.FrameType, int]]


class FrameLine(NamedTuple):
    """One entry of a traceback."""

    filename: str
    lineno: int
    name: str
    line: str


class GuestTraceback:
    """Stands for a traceback: it can be shown, and leads nowhere."""

    __slots__ = ("__lines",)

    def __init__(self, lines: tuple[FrameLine, ...]) -> None:
        self.__lines = lines

    @property
    def tb_lineno(self) -> int | None:
        """The line of the outermost entry."""
        return self.__lines[0].lineno if self.__lines else None

    def __repr__(self) -> str:
        return "<traceback>"


_LINES: Callable[[GuestTraceback], tuple[FrameLine, ...]] = vars(GuestTraceback)["_GuestTraceback__lines"].__get__


raw_traceback: Callable[[BaseException], types.TracebackType | None]
raw_traceback = BaseException.__dict__["__traceback__"].__get__
"""Reads an error's traceback past whatever its class says."""


def shown_traceback(tb: types.TracebackType | None, namespace: Namespace) -> GuestTraceback | None:
    """Return what a guest is given for a traceback."""
    return None if tb is None else GuestTraceback(tuple(_entries(tb, namespace)))


def guest_traceback(error: BaseException, namespace: Namespace) -> traceback.TracebackException:
    """Describe an error by the frames that run in the namespace; what ran beneath them is nobody's business there."""
    described = traceback.TracebackException(type(error), error, None, compact=True)
    _keep_frames(described, error, namespace, set())
    return described


def _keep_frames(
    described: traceback.TracebackException, error: BaseException, namespace: Namespace, seen: set[int]
) -> None:
    seen.add(id(error))
    described.stack = traceback.StackSummary.extract(_frames(raw_traceback(error), namespace))
    for part, cause in ((described.__cause__, error.__cause__), (described.__context__, error.__context__)):
        if part is not None and cause is not None and id(cause) not in seen:
            _keep_frames(part, cause, namespace, seen)


def _frames(tb: types.TracebackType | None, namespace: Namespace) -> _Frames:
    for frame, line in traceback.walk_tb(tb):
        if frame.f_globals is namespace:
            yield frame, line


def _entries(tb: types.TracebackType, namespace: Namespace) -> Iterator[FrameLine]:
    for frame, line in _frames(tb, namespace):
        code = frame.f_code
        text = linecache.getline(code.co_filename, line).strip()
        yield FrameLine(code.co_filename, line, code.co_name, text)


class Tracebacks:
    """What `traceback` exports, and `sys.exc_info`."""

    def __init__(self, show: Callable[..., None], namespace: Namespace) -> None:
        self._show = show
        self._namespace = namespace

    def exports(self) -> dict[str, object]:
        """Return what `traceback` exports."""

        def format_exc(limit: Any = None, chain: bool = True) -> str:
            error = sys.exc_info()[1]
            return "NoneType: None\n" if error is None else "".join(self._formatted(error, chain))

        def print_exc(limit: Any = None, file: Any = None, chain: bool = True) -> None:
            self._show(format_exc(chain=chain), end="", file=file)

        def format_exception(error: Any, /, value: Any = None, tb: Any = None, *, chain: bool = True) -> list[str]:
            return self._formatted(_error(error, value), chain)

        def print_exception(
            error: Any, /, value: Any = None, tb: Any = None, limit: Any = None, file: Any = None, chain: bool = True
        ) -> None:
            self._show("".join(format_exception(error, value, chain=chain)), end="", file=file)

        return {
            "format_exc": format_exc,
            "print_exc": print_exc,
            "format_exception": format_exception,
            "print_exception": print_exception,
            "format_exception_only": self._only,
        } | self._of_tracebacks()

    def exc_info(self) -> Callable[[], tuple[object, object, object]]:
        """Return the guest's `sys.exc_info`."""

        def exc_info() -> tuple[object, object, object]:
            kind, error, tb = sys.exc_info()
            return kind, error, shown_traceback(tb, self._namespace)

        return exc_info

    @property
    def _only(self) -> Callable[..., list[str]]:
        def format_exception_only(error: Any, /, value: Any = None) -> list[str]:
            return list(guest_traceback(_error(error, value), self._namespace).format_exception_only())

        return format_exception_only

    def _of_tracebacks(self) -> dict[str, object]:
        def extract_tb(tb: Any, limit: Any = None) -> list[FrameLine]:
            lines = list(_LINES(tb) if type(tb) is GuestTraceback else self._raw(tb))
            return lines if limit is None else lines[:limit] if limit >= 0 else lines[limit:]

        def format_tb(tb: Any, limit: Any = None) -> list[str]:
            return traceback.format_list([(*line[:3], line.line) for line in extract_tb(tb, limit)])

        def print_tb(tb: Any, limit: Any = None, file: Any = None) -> None:
            self._show("".join(format_tb(tb, limit)), end="", file=file)

        return {"extract_tb": extract_tb, "format_tb": format_tb, "print_tb": print_tb}

    def _raw(self, tb: Any) -> Iterator[FrameLine]:
        if tb is not None and type(tb) is not types.TracebackType:
            raise TypeError(f"a traceback is needed, not {type(tb).__name__!r}")
        return iter(()) if tb is None else _entries(tb, self._namespace)

    def _formatted(self, error: BaseException, chain: bool) -> list[str]:
        return list(guest_traceback(error, self._namespace).format(chain=chain))


def _error(error: Any, value: Any) -> BaseException:
    """Take the error from either form of the call: `f(error)` or `f(type, error, tb)`."""
    found = value if isinstance(value, BaseException) else error
    if not isinstance(found, BaseException):
        raise TypeError(f"an exception is needed, not {type(found).__name__!r}")
    return found
