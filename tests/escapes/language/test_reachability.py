"""Everything that plain names lead to, followed to the end: no module, no code, no metaclass, no reflection."""

from __future__ import annotations

import builtins
import types
from collections import deque
from collections.abc import Iterator

from guest_program import RecordingHost

from statek_policies import Policy
from statek_policies.language import PolicyViolation, build_environment
from statek_policies.language.nodes import LOAD, NAME
from statek_policies.language.words import RESERVED_MARK, Reading, reading

DEEPEST = 6
LOOT = (types.ModuleType, types.CodeType, types.FrameType, types.TracebackType, types.CellType, RecordingHost)
REFLECTIVE = "eval exec compile open __import__ getattr setattr delattr vars globals locals dir input breakpoint"
REFLECTION = [getattr(builtins, name) for name in REFLECTIVE.split()]
BOUND = (types.MethodWrapperType, types.BuiltinMethodType, types.MethodType)
TEXTUAL = (str, bytes, int, float, complex, tuple, frozenset, type(None))


class Walk:
    """Reads what a guest can read, breadth first."""

    def __init__(self) -> None:
        self.environment = build_environment(Policy(), RecordingHost())
        built_in = self.environment.globals["__builtins__"]
        assert isinstance(built_in, dict)
        self._load, self._type = built_in[LOAD], built_in["type"]
        unreachable = ("__build_class__", "__import__")
        self._queue = deque(
            (name, value, 0)
            for name, value in built_in.items()
            if not name.startswith(RESERVED_MARK) and name not in unreachable
        )
        self._queue.extend((name, self.environment.resolve(name), 0) for name in Policy().modules() - {"__future__"})
        self._seen: set[object] = set()
        self._kept: list[object] = []

    def __iter__(self) -> Iterator[tuple[str, object]]:
        while self._queue:
            path, value, depth = self._queue.popleft()
            key = self._key(value)
            if key in self._seen:
                continue
            self._seen.add(key)
            self._kept.append(value)
            yield path, value
            if depth < DEEPEST and not isinstance(value, types.MethodWrapperType):
                self._queue.extend((f"{path}{step}", found, depth + 1) for step, found in self._steps(value))

    @staticmethod
    def _key(value: object) -> object:
        if isinstance(value, BOUND):
            return type(value), value.__name__, type(value.__self__)
        return (type(value), repr(value)) if isinstance(value, TEXTUAL) else id(value)

    def _steps(self, value: object) -> Iterator[tuple[str, object]]:
        yield ".type()", self._type(value)
        if isinstance(value, (dict, types.MappingProxyType)):
            yield from (("[]", item) for pair in value.items() for item in pair)
        elif isinstance(value, (list, tuple, set, frozenset)):
            yield from (("[]", item) for item in value)
        for name in dir(value):
            try:
                yield f".{name}", self._read(value, name)
            except (PolicyViolation, AttributeError, TypeError, ValueError):
                continue  # refused, or an attribute that this object does not have after all

    def _read(self, value: object, name: str) -> object:
        match reading(name):
            case Reading.NATIVE:
                return getattr(value, name)
            case Reading.GUARDED:
                return self._load(value, **{NAME: name})
        raise AttributeError(name)


def test_no_plain_name_leads_out() -> None:
    found = list(Walk())
    assert len(found) > 3000
    loot = [path for path, value in found if isinstance(value, LOOT)]
    metaclasses = [path for path, value in found if isinstance(value, type) and issubclass(value, type)]
    reflection = [path for path, value in found if any(value is function for function in REFLECTION)]
    assert (loot, metaclasses, reflection) == ([], [], [])


def test_what_is_handed_out_holds_nothing_that_a_guest_could_change() -> None:
    mutable = {path for path, value in Walk() if type(value) in (list, dict, set, bytearray)}
    kept_by_records = {path for path in mutable if path.endswith(("._field_defaults", ".groupindex"))}
    assert mutable - kept_by_records == {
        "sys.argv",  # each guest has its own
        "calendar.HTMLCalendar.cssclasses",
        "textwrap.TextWrapper.unicode_whitespace_trans",
    }


def test_hidden_things_have_hidden_names() -> None:
    environment = build_environment(Policy(), RecordingHost())
    assert set(environment.globals) == {"__name__", "__builtins__"} <= environment.reserved
    built_in = environment.globals["__builtins__"]
    assert isinstance(built_in, dict)
    unspellable = {name for name in built_in if not name.isidentifier()}
    assert all(name.startswith(RESERVED_MARK) for name in unspellable)
    for name in built_in:
        if callable(built_in[name]) and environment.reference(built_in[name]) is None:
            assert name.startswith(RESERVED_MARK) or name in ("__build_class__", "__import__")
