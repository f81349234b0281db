"""What writes: `print`, the streams of `sys`, `pprint`, `traceback`, `warnings` and `contextlib.redirect_stdout`."""

import contextlib
import pprint
import sys
import traceback
import types
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from statek_policies.language.errors import GuestExit
from statek_policies.language.host import Host

_MOST_RECURSION = 1000
"""CPython's default; a deeper recursion would meet the limit of the C stack first."""


class Stream:
    """A console stream: what a guest sees as `sys.stdout`."""

    __slots__ = ("__write",)

    def __init__(self, write: Callable[[str], None]) -> None:
        self.__write = write

    def write(self, text: str) -> int:
        """Append text."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        self.__write(str.__str__(text))
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Append several texts."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Do nothing: the console keeps nothing back."""

    def isatty(self) -> bool:
        """Tell that nobody is at the console."""
        return False


class Console:
    """The console of one guest."""

    def __init__(self, host: Host, namespace: dict[str, object]) -> None:
        self._namespace = namespace
        self._stream = Stream(lambda text: host.write(text))
        self._current: list[Any] = [self._stream]

    def print(
        self, *values: object, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False
    ) -> None:
        """Print to the console, in one piece, or to the file."""
        for name, value in (("sep", sep), ("end", end)):
            if value is not None and not isinstance(value, str):
                raise TypeError(f"{name} must be None or a string, not {type(value).__name__}")
        text = (" " if sep is None else sep).join(map(str, values)) + ("\n" if end is None else end)
        target = self._current[-1] if file is None else file
        target.write(text)
        if flush and hasattr(target, "flush"):
            target.flush()

    def exports(self) -> dict[str, dict[str, object]]:
        """Return the replacements by module."""
        return {
            "sys": self._sys(),
            "pprint": {"pprint": self._pprint(), "pp": self._pprint(sort_dicts=False)},
            "traceback": self._traceback(),
            "warnings": {"warn": self._warn(), **_quiet_warnings()},
            "contextlib": {"redirect_stdout": self._redirect(), "redirect_stderr": self._redirect()},
        }

    def builtin_print(self) -> Callable[..., None]:
        """Return the guest's `print`."""

        def print(
            *values: object, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False
        ) -> None:
            self.print(*values, sep=sep, end=end, file=file, flush=flush)

        return print

    def _sys(self) -> dict[str, object]:
        return {
            "maxsize": sys.maxsize,
            "maxunicode": sys.maxunicode,
            "byteorder": sys.byteorder,
            "float_info": sys.float_info,
            "int_info": sys.int_info,
            "hash_info": sys.hash_info,
            "version": sys.version.split()[0],
            "version_info": sys.version_info,
            "platform": "linux",
            "stdout": self._stream,
            "stderr": self._stream,
            "exit": guest_exit,
            "getsizeof": lambda value, *default: sys.getsizeof(value, *default),
            "intern": lambda text: sys.intern(text),
            "getrecursionlimit": lambda: _MOST_RECURSION,
            "setrecursionlimit": lambda limit: None,
        }

    def _pprint(self, **fixed: Any) -> Callable[..., None]:
        def show(object: Any, stream: Any = None, *arguments: Any, **options: Any) -> None:
            self.print(pprint.pformat(object, *arguments, **{**fixed, **options}), file=stream)

        return show

    def _traceback(self) -> dict[str, object]:
        def format_exception(error: Any, value: Any = None, tb: Any = None, **_options: Any) -> list[str]:
            return list(self._formatted(value if isinstance(value, BaseException) else error).format())

        def format_exc(*_ignored: Any) -> str:
            error = sys.exc_info()[1]
            return "NoneType: None\n" if error is None else "".join(format_exception(error))

        def print_exc(*_ignored: Any, file: Any = None) -> None:
            self.print(format_exc(), end="", file=file)

        def print_exception(error: Any, value: Any = None, tb: Any = None, *, file: Any = None) -> None:
            self.print("".join(format_exception(error, value)), end="", file=file)

        return {
            "format_exception": format_exception,
            "format_exc": format_exc,
            "print_exc": print_exc,
            "print_exception": print_exception,
            "format_exception_only": lambda error, value=None: list(
                self._formatted(value if isinstance(value, BaseException) else error).format_exception_only()
            ),
        }

    def _formatted(self, error: BaseException) -> traceback.TracebackException:
        """Keep the guest's own frames only, in the error and in all that led to it."""
        return guest_traceback(error, self._namespace)

    def _warn(self) -> Callable[..., None]:
        def warn(message: Any, category: Any = UserWarning, *_ignored: Any, **_options: Any) -> None:
            kind = type(message) if isinstance(message, Warning) else category
            self.print(f"{kind.__name__}: {message}")

        return warn

    def _redirect(self) -> Callable[[Any], Any]:
        @contextlib.contextmanager
        def redirected(target: Any) -> Iterator[Any]:
            self._current.append(target)
            try:
                yield target
            finally:
                self._current.remove(target)

        return lambda new_target: redirected(new_target)


def guest_exit(code: object = None, /) -> NoReturn:
    """End the batch quietly."""
    raise GuestExit("" if code is None else str(code))


def guest_traceback(error: BaseException, namespace: dict[str, object]) -> traceback.TracebackException:
    """Describe an error by the frames that run in the namespace; what ran beneath them is nobody's business there."""
    described = traceback.TracebackException(type(error), error, None, compact=True)
    _keep_frames(described, error, namespace, set())
    return described


def _keep_frames(
    described: traceback.TracebackException, error: BaseException, namespace: dict[str, object], seen: set[int]
) -> None:
    seen.add(id(error))
    described.stack = traceback.StackSummary.extract(_frames(error.__traceback__, namespace))
    for part, cause in ((described.__cause__, error.__cause__), (described.__context__, error.__context__)):
        if part is not None and cause is not None and id(cause) not in seen:
            _keep_frames(part, cause, namespace, seen)


def _frames(tb: types.TracebackType | None, namespace: dict[str, object]) -> Iterator[tuple[types.FrameType, int]]:
    for frame, line in traceback.walk_tb(tb):
        if frame.f_globals is namespace:
            yield frame, line


def _quiet_warnings() -> dict[str, object]:
    """Return the settings of `warnings`, which change nothing: each warning is printed."""

    @contextlib.contextmanager
    def catch_warnings(*_arguments: Any, **_options: Any) -> Iterator[list[Any]]:
        yield []

    def ignore(*_arguments: Any, **_options: Any) -> None:
        return None

    return {
        "catch_warnings": lambda *arguments, **options: catch_warnings(*arguments, **options),
        "simplefilter": ignore,
        "filterwarnings": ignore,
        "resetwarnings": ignore,
    }
