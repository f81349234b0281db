"""What guest code holds in place of an application's object: every use of it is a call. Runs inside the wall.

A `HostObject` is a number and the name of a class. What it is asked, the scheduler is asked, which looks the number up
among the job's own objects. Its facts lie in a slot whose descriptor was taken away from the class, so guest code has
no name for them; to make one up would only name an object that the job does not have. There is one proxy per number, so
`is` means what it should. Which names of a class are methods is asked once, and is part of every checkpoint: a replay
makes the same calls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol

from statek_policies.language.guests import accepts_writes
from statek_policies.language.standins import name_types
from statek_protocol import leaves, operations
from statek_protocol.messages.base import NAME_LIMIT
from statek_protocol.references import HandleRef

FIRST_CHUNK: Final = 16
LARGEST_CHUNK: Final = 256
"""Items that one call of an iteration brings: few at first, since a loop may stop early; then twice as many each."""
_FAILURE_TEXT: Final = 500
"""Characters of the guest's own error that an object's `__exit__` is told."""

_OBJECT: Final = "objects"
_METHOD: Final = "methods"
_TYPE: Final = "kinds"
"""What the stable names of proxies, their methods and their classes begin with, in a stored workspace."""


class IsMethod(Exception):
    """What was read as an attribute is a method: the application's class has changed since it was described."""


class Caller(Protocol):
    """What makes calls for the guest."""

    def call(self, tool: str, args: tuple[object, ...], kwargs: dict[str, object]) -> Any:
        """Have the scheduler do something and stand still until it is done; raises TypeError, or what it says."""

    def can_cross(self, value: object) -> bool:
        """Tell whether a value can be handed over."""


class HostObject:
    """An application's object, as the guest sees it. Its classes bear the names of the application's."""

    __slots__ = ("facts",)

    def __new__(cls, *_arguments: object, **_keywords: object) -> HostObject:
        raise TypeError(f"a {cls.__name__} belongs to the application: tools and other objects give it to you")

    def __init_subclass__(cls, **keywords: object) -> None:
        super().__init_subclass__(**keywords)
        accepts_writes(cls)
        name_types([cls])

    def __getattr__(self, name: str) -> Any:
        _check_public(self, name)
        objects = _objects_of(self)
        if name not in objects.methods(self):
            try:
                return _call(operations.OBJECT_GET, self, name)
            except IsMethod:
                objects.learn(self, name)
        return _make_method(self, name)

    def __setattr__(self, name: str, value: object) -> None:
        _check_public(self, name)
        _call(operations.OBJECT_SET, self, name, value)

    def __delattr__(self, name: str) -> None:
        _check_public(self, name)
        _call(operations.OBJECT_DELETE, self, name)

    def __dir__(self) -> list[str]:
        return list(_call(operations.OBJECT_DESCRIBE, self, "all"))

    def __call__(self, *args: object, **kwargs: object) -> Any:
        return _call(operations.OBJECT_INVOKE, self, None, args, kwargs)

    def __getitem__(self, key: object) -> Any:
        if type(key) is slice:
            return _call(operations.OBJECT_ITEM, self, key.start, key.stop, key.step)
        return _call(operations.OBJECT_ITEM, self, key)

    def __setitem__(self, key: object, value: object) -> None:
        _call(operations.OBJECT_SET_ITEM, self, key, value)

    def __delitem__(self, key: object) -> None:
        _call(operations.OBJECT_DELETE_ITEM, self, key)

    def __len__(self) -> Any:
        return _call(operations.OBJECT_LENGTH, self)

    def __iter__(self) -> Iterator[Any]:
        return _items(self)

    def __contains__(self, item: object) -> Any:
        return _call(operations.OBJECT_CONTAINS, self, item)

    def __eq__(self, other: object) -> Any:
        return self is other or _compare(self, "==", other)

    def __ne__(self, other: object) -> Any:
        return self is not other and _compare(self, "!=", other)

    def __lt__(self, other: object) -> Any:
        return _compare(self, "<", other)

    def __le__(self, other: object) -> Any:
        return _compare(self, "<=", other)

    def __gt__(self, other: object) -> Any:
        return _compare(self, ">", other)

    def __ge__(self, other: object) -> Any:
        return _compare(self, ">=", other)

    def __hash__(self) -> int:
        return hash((_OBJECT, _reference(self).number))

    def __bool__(self) -> Any:
        return _call(operations.OBJECT_TRUTH, self)

    def __str__(self) -> Any:
        return _call(operations.OBJECT_TEXT, self, "str")

    def __repr__(self) -> Any:
        return _call(operations.OBJECT_TEXT, self, "repr")

    def __format__(self, spec: str) -> Any:
        return _call(operations.OBJECT_TEXT, self, f"format:{spec}")

    def __enter__(self) -> Any:
        return _call(operations.OBJECT_INVOKE, self, "__enter__", (), {})

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> Any:
        failure = () if kind is None else (type.__getattribute__(kind, "__name__"), str(error)[:_FAILURE_TEXT])
        return _call(operations.OBJECT_INVOKE, self, "__exit__", failure, {})

    def __copy__(self) -> HostObject:
        return self

    def __deepcopy__(self, _memo: object) -> HostObject:
        return self

    def __reduce_ex__(self, _protocol: object) -> Any:
        raise TypeError("an object of the application cannot be taken apart")


class HostMethod:
    """A method of an application's object: to call it is a call."""

    __slots__ = ("facts",)

    def __new__(cls, *_arguments: object, **_keywords: object) -> HostMethod:
        raise TypeError("a method belongs to its object")

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name!r} cannot be set on a method")

    __delattr__ = __setattr__  # type: ignore[assignment]  # the same answer with one argument less

    def __call__(self, *args: object, **kwargs: object) -> Any:
        owner, name = _METHOD_FACTS.__get__(self)
        return _call(operations.OBJECT_INVOKE, owner, name, args, kwargs)

    def __eq__(self, other: object) -> bool:
        return type(other) is HostMethod and _METHOD_FACTS.__get__(self) == _METHOD_FACTS.__get__(other)

    def __hash__(self) -> int:
        return hash(_METHOD_FACTS.__get__(self))

    def __repr__(self) -> str:
        owner, name = _METHOD_FACTS.__get__(self)
        return f"<method {name} of a {type(owner).__name__}>"

    def __copy__(self) -> HostMethod:
        return self

    def __deepcopy__(self, _memo: object) -> HostMethod:
        return self

    def __reduce_ex__(self, _protocol: object) -> Any:
        raise TypeError("a method of the application cannot be taken apart")


_OURS: Final = {cls.__name__: cls for cls in (HostObject, HostMethod)}
_FACTS: Final[Any] = HostObject.__dict__["facts"]
_METHOD_FACTS: Final[Any] = HostMethod.__dict__["facts"]
del HostObject.facts, HostMethod.facts  # type: ignore[attr-defined]  # from here on only the descriptors find them


name_types([HostObject, HostMethod])


class Objects:
    """The proxies of one job: one for each number, a class for each name of a class."""

    def __init__(self, caller: Caller) -> None:
        self.call, self.can_cross = caller.call, caller.can_cross
        self._proxies: dict[int, HostObject] = {}
        self._classes: dict[str, type[HostObject]] = {}
        self._methods: dict[str, tuple[str, ...]] = {}

    @property
    def kinds(self) -> frozenset[type]:
        """The classes of the proxies that there are."""
        return frozenset(self._classes.values())

    def proxy(self, reference: HandleRef) -> HostObject:
        """Give the one proxy of that number."""
        found = self._proxies.get(reference.number)
        if found is None:
            found = object.__new__(self._class_named(reference.type_name))
            _FACTS.__set__(found, (reference, self))
            self._proxies[reference.number] = found
        return found

    def methods(self, proxy: HostObject) -> tuple[str, ...]:
        """Give the names of the methods of a proxy's class; asked once for each class."""
        name = _reference(proxy).type_name
        found = self._methods.get(name)
        if found is None:
            found = self._methods[name] = tuple(_call(operations.OBJECT_DESCRIBE, proxy))
        return found

    def learn(self, proxy: HostObject, method: str) -> None:
        """Remember a method that was not among those of the class when they were asked for."""
        self._methods[_reference(proxy).type_name] = (*self.methods(proxy), method)

    # what a checkpoint keeps

    def described(self) -> dict[str, tuple[str, ...]]:
        """Give what was learned of classes, so that a replay asks as little."""
        return dict(self._methods)

    def remember(self, described: Mapping[str, tuple[str, ...]]) -> None:
        """Go on from what `described` gave; raises TypeError for anything else."""
        for name, methods in described.items():
            if type(name) is not str or type(methods) is not tuple or not all(type(one) is str for one in methods):
                raise TypeError("not what is kept of classes")
        self._methods = dict(described)

    def reference(self, obj: Any) -> str | None:
        """Give the name under which a proxy, a method or a class of proxies is stored."""
        if issubclass(type(obj), type) and issubclass(obj, (HostObject, HostMethod)):
            return f"{_TYPE}.{obj.__name__}"
        try:
            if type(obj) is HostMethod:
                owner, name = _METHOD_FACTS.__get__(obj)
                return f"{_METHOD}.{name}.{_place(_reference(owner))}"
            if issubclass(type(obj), HostObject):
                return f"{_OBJECT}.{_place(_reference(obj))}"
        except AttributeError:
            pass  # the guest made an empty one by `object.__new__`; it stands for nothing, and is not kept
        return None

    def resolve(self, stored: str) -> object | None:
        """Give what is stored under the name; None where it is none of ours. Raises KeyError for what cannot be one."""
        kind, _, rest = stored.partition(".")
        if kind == _TYPE:
            return _OURS.get(rest) or self._class_named(rest)
        if kind == _METHOD:
            name, _, place = rest.partition(".")
            return _make_method(self.proxy(_placed(place)), name)
        return self.proxy(_placed(rest)) if kind == _OBJECT else None

    def _class_named(self, name: str) -> type[HostObject]:
        found = self._classes.get(name)
        if found is None:
            shown = name[:NAME_LIMIT] if name.isprintable() and name else HostObject.__name__
            body = {"__slots__": (), "__module__": HostObject.__module__, "__doc__": None}
            found = self._classes[name] = type(shown, (HostObject,), body)
        return found


def _check_public(proxy: HostObject, name: str) -> None:
    if name.startswith("_"):
        raise AttributeError(f"{name!r} of a {type(proxy).__name__} is its own: use its public attributes")


def _reference(proxy: object) -> HandleRef:
    reference: HandleRef = _FACTS.__get__(proxy)[0]
    return reference


def reference_of(proxy: object) -> HandleRef:
    """Give the reference that a proxy crosses as; raises `leaves.Unencodable` for an empty one."""
    try:
        return _reference(proxy)
    except AttributeError:
        raise leaves.Unencodable("an object that the application did not give") from None


def _objects_of(proxy: HostObject) -> Objects:
    objects: Objects = _FACTS.__get__(proxy)[1]
    return objects


def _call(operation: str, proxy: HostObject, *arguments: object) -> Any:
    return _objects_of(proxy).call(operation, (proxy, *arguments), {})


def _compare(proxy: HostObject, operator: str, other: object) -> Any:
    """Ask the application how two compare; what cannot cross is nothing that it could compare with."""
    if not _objects_of(proxy).can_cross(other):
        return NotImplemented
    return _call(operations.OBJECT_COMPARE, proxy, operator, other)


def _items(proxy: HostObject) -> Iterator[Any]:
    """Bring the items in chunks, as they are when each chunk is asked for."""
    start, size, ended = 0, FIRST_CHUNK, False
    while not ended:
        items, ended = _call(operations.OBJECT_ITERATE, proxy, start, size)
        yield from items
        start, size = start + len(items), min(2 * size, LARGEST_CHUNK)


def _make_method(owner: HostObject, name: str) -> HostMethod:
    made = object.__new__(HostMethod)
    _METHOD_FACTS.__set__(made, (owner, name))
    return made


def _place(reference: HandleRef) -> str:
    return f"{reference.number}.{reference.type_name}"


def _placed(place: str) -> HandleRef:
    number, _, type_name = place.partition(".")
    if not number.isdecimal() or not number.isascii() or len(number) > 10:
        raise KeyError(place)
    return HandleRef(int(number), type_name)
