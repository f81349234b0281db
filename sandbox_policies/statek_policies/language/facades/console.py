"""What writes: `print`, the streams of `sys`, `pprint`, `traceback`, `warnings` and `contextlib.redirect_stdout`."""

import contextlib
import pprint
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

from statek_policies.language.errors import GuestExit
from statek_policies.language.host import Host
from statek_policies.language.tracebacks import Tracebacks

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
        self._tracebacks = Tracebacks(self.print, namespace)
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
            "traceback": self._tracebacks.exports(),
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
            "argv": [""],
            "exc_info": self._tracebacks.exc_info(),
            "getsizeof": lambda value, *default: sys.getsizeof(value, *default),
            "intern": lambda text: sys.intern(text),
            "getrecursionlimit": lambda: _MOST_RECURSION,
            "setrecursionlimit": lambda limit: None,
        }

    def _pprint(self, **fixed: Any) -> Callable[..., None]:
        def show(object: Any, stream: Any = None, *arguments: Any, **options: Any) -> None:
            self.print(pprint.pformat(object, *arguments, **{**fixed, **options}), file=stream)

        return show

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
