"""What writes: `print`, the streams of `sys`, `pprint`, `traceback`, `warnings` and `contextlib.redirect_stdout`."""

import pprint
import sys
from collections.abc import Callable
from typing import Any, NoReturn

from statek_policies.language.errors import GuestExit
from statek_policies.language.facades.alerts import Alerts
from statek_policies.language.host import Host
from statek_policies.language.tracebacks import Tracebacks

_MOST_RECURSION = 1000
"""CPython's default; a deeper recursion would meet the limit of the C stack first."""
EXIT_STATUS_CHARACTERS = 64 * 1024
"""What a message to the scheduler may carry (`statek_protocol.messages.base`; a test compares them)."""


class Stream:
    """A console stream: what a guest sees as `sys.stdout`."""

    __slots__ = ("__write",)

    __write: Callable[[str], None]

    def __new__(cls, write: Callable[[str], None]) -> "Stream":
        """Make a stream; there is no `__init__`, which a guest could call again with a function of its own."""
        made = object.__new__(cls)
        made.__write = write
        return made

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
        self._host = host
        self._targets: dict[str, list[Any]] = {"stdout": [], "stderr": []}
        write_out = self._writer("stdout")
        self._streams = {"stdout": Stream(write_out), "stderr": Stream(self._writer("stderr"))}
        self._tracebacks = Tracebacks(self._print_error, namespace)
        self.print = self._printer(write_out)
        """The guest's `print`: to the console, in one piece, or to the file."""

    def _writer(self, name: str) -> Callable[[str], None]:
        """Make what writes to a stream of the console, or to what stands for it meanwhile."""
        targets = self._targets[name]

        def write(text: str) -> None:
            if not targets or targets[-1] is self._streams[name]:
                self._host.write(text)
            else:
                targets[-1].write(text)

        return write

    def _printer(self, write_out: Callable[[str], None]) -> Callable[..., None]:
        """Make `print`; a closure, so that there is no attribute to follow."""

        def print(
            *values: object, sep: str | None = " ", end: str | None = "\n", file: Any = None, flush: bool = False
        ) -> None:
            if file is None and type(sep) is str and type(end) is str:  # as it is mostly called: what is made is text
                write_out(sep.join(map(str, values)) + end)
                return
            for name, value in (("sep", sep), ("end", end)):
                if value is not None and not isinstance(value, str):
                    raise TypeError(f"{name} must be None or a string, not {type(value).__name__}")
            text = (" " if sep is None else sep).join(map(str, values)) + ("\n" if end is None else end)
            target = self._streams["stdout"] if file is None else file
            target.write(text)
            if flush and hasattr(target, "flush"):
                target.flush()

        return print

    def _print_error(self, text: str, end: str = "\n", file: Any = None) -> None:
        self.print(text, end=end, file=self._streams["stderr"] if file is None else file)

    def exports(self) -> dict[str, dict[str, object]]:
        """Return the replacements by module."""
        return {
            "sys": self._sys(),
            "pprint": {"pprint": self._pprint(), "pp": self._pprint(sort_dicts=False)},
            "traceback": self._tracebacks.exports(),
            "warnings": Alerts(self._print_error).exports(),
            "contextlib": self._redirects(),
            "typing": {"reveal_type": self._reveal_type},
        }

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
            **self._streams,
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

    @property
    def _reveal_type(self) -> Callable[[Any], Any]:
        def reveal_type(obj: Any, /) -> Any:
            self._print_error(f"Runtime type is {type(obj).__name__!r}")
            return obj

        return reveal_type

    def _redirects(self) -> dict[str, object]:
        return {f"redirect_{name}": _redirect(name, targets) for name, targets in self._targets.items()}


def _redirect(name: str, targets: list[Any]) -> type:
    """Make the context manager that lets another stream stand for one of the console's."""

    class Redirect:
        """Let what is printed go to another stream meanwhile."""

        def __init__(self, new_target: Any) -> None:
            self._target = new_target

        def __enter__(self) -> Any:
            targets.append(self._target)
            return self._target

        def __exit__(self, *_error: object) -> None:
            targets.pop()

    Redirect.__module__, Redirect.__name__, Redirect.__qualname__ = "contextlib", f"redirect_{name}", f"redirect_{name}"
    return Redirect


def guest_exit(code: object = None, /) -> NoReturn:
    """End the batch and its job quietly, with a text that says what came of it."""
    if code is None:
        raise GuestExit(None)
    text = str.__str__(str(code))  # a guest's `__str__` may give a kind of str that has methods of its own
    if len(text) > EXIT_STATUS_CHARACTERS:
        allowed = f"exit() takes a text of at most {EXIT_STATUS_CHARACTERS} characters"
        raise ValueError(f"{allowed}, not {len(text)}: keep what is long in a variable, or print it")
    raise GuestExit(text)
