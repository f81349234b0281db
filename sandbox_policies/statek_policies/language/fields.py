"""Which names a dataclass may give its fields: the standard library reads fields natively, past every guard."""

from collections.abc import Iterable

from statek_policies.language.guests import ancestry, class_dict, is_guest_class
from statek_policies.language.reports import refuse
from statek_policies.language.words import Reading, reading


def inherited_fields(bases: Iterable[type]) -> set[str]:
    """Return the names of the fields that a class with these bases has from them."""
    return {
        name for base in bases for cls in ancestry(base) for name in class_dict(cls).get("__dataclass_fields__", ())
    }


def check_fields(bases: Iterable[type], names: Iterable[str]) -> None:
    """Refuse a field by whose name one of our classes, among the bases, has something that is read through a guard.

    `dataclasses.astuple` of a kind of text that has a field `format` would hand out the text's own method.
    """
    for name in names:
        if reading(name) is not Reading.NATIVE and any(_has_natively(base, name) for base in bases):
            detail = f"a field cannot be called {name!r} in a class that has this name from what it derives from"
            refuse("class.field", f"{detail}; choose another")


def _has_natively(base: type, name: str) -> bool:
    classes = (*ancestry(base), *ancestry(type(base)))
    return any(name in class_dict(cls) for cls in classes if not is_guest_class(cls))
