"""`UserDict` and `UserList` for guests: copied by their class, never by what an object says that its class is."""

import collections
from typing import Any


def _own(value: Any) -> dict[str, Any]:
    return object.__getattribute__(value, "__dict__")  # type: ignore[no-any-return]


def _copied(value: Any) -> Any:
    """Make another object of the same class with the same attributes, and a copy of what it wraps."""
    made = object.__new__(type(value))
    attributes = _own(value)
    _own(made).update(attributes)
    if "data" in attributes:
        _own(made)["data"] = attributes["data"].copy()
    return made


class UserDict(collections.UserDict[Any, Any]):
    """`collections.UserDict`: the library's own asks the object for its class and writes into what it is given."""

    def __copy__(self) -> Any:
        return _copied(self)


class UserList(collections.UserList[Any]):
    """`collections.UserList`, for the same reason."""

    def __copy__(self) -> Any:
        return _copied(self)


for _kind in (UserDict, UserList):
    _kind.__module__, _kind.__qualname__ = "collections", _kind.__name__

EXPORTS: dict[str, object] = {"UserDict": UserDict, "UserList": UserList}
