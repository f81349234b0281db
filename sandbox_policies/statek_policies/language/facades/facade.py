"""What an import statement gives: a frozen object with named exports, never a module."""

import types
from collections.abc import Mapping
from typing import Any, NoReturn

from statek_policies.language.errors import AttributeWithheld
from statek_policies.language.reports import refuse


class Facade:
    """The exports are instance attributes, read natively; nothing of it can be set, and a guest cannot make one."""

    __slots__ = ("__dict__",)

    def __new__(cls, *_arguments: object) -> "Facade":
        """Refuse: facades are made by `make_facade` only."""
        raise TypeError("modules cannot be made")

    def __setattr__(self, name: str, _value: object) -> NoReturn:
        refuse("attribute.write", f"a module's attributes cannot be set ({name!r}); use a variable of your own")

    def __delattr__(self, name: str) -> NoReturn:
        refuse("attribute.write", f"a module's attributes cannot be deleted ({name!r})")

    def __copy__(self) -> "Facade":
        return self

    def __deepcopy__(self, _memo: object) -> "Facade":
        return self

    def __repr__(self) -> str:
        return f"<module '{type(self).__name__}'>"

    def __dir__(self) -> list[str]:
        return sorted(object.__getattribute__(self, "__dict__"))


def facade_class(module: str, withheld: Mapping[str, str]) -> type[Facade]:
    """Make the class of one module's facade: what the real module has and we withhold says so when it is read."""
    body: dict[str, Any] = {name: _withheld(module, name, reason) for name, reason in withheld.items()}
    return types.new_class(module, (Facade,), {}, lambda namespace: namespace.update(body, __slots__=()))


def make_facade(cls: type[Facade], exports: Mapping[str, object]) -> Facade:
    """Make a facade with these exports."""
    made = object.__new__(cls)
    object.__getattribute__(made, "__dict__").update(exports)
    return made


def _withheld(module: str, name: str, reason: str) -> property:
    def read(_facade: Facade) -> NoReturn:
        refuse("import.name", f"{module}.{name} is not offered; {reason}", AttributeWithheld)

    return property(read)
