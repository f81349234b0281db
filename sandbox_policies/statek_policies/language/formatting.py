"""`str.format` whose fields read no attribute that plain code could not read natively."""

import _string  # type: ignore[import-not-found]  # the parser behind str.format; no stub describes it
from collections.abc import Iterable, Mapping
from typing import Any

from statek_policies.language.reports import refuse
from statek_policies.language.words import Reading, reading

_RULE = "format.attribute"
_DETAIL = "a format field reads public attributes only; use an f-string, or pass the value itself"
_DEEPEST = 3
"""CPython refuses fields nested deeper than two."""


def format_text(template: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> str:
    """Do what `template.format(*arguments, **keywords)` does; attributes that need a guard are refused."""
    _check(template)
    return str.format(template, *arguments, **keywords)


def format_mapping(template: str, mapping: Mapping[str, Any]) -> str:
    """Do what `template.format_map(mapping)` does; attributes that need a guard are refused."""
    _check(template)
    return str.format_map(template, mapping)


def _check(template: str, depth: int = 0) -> None:
    """Look at each field as CPython's own parser sees it; a field may be nested in a format specification."""
    if depth >= _DEEPEST:
        return
    for _literal, field, specification, _conversion in _string.formatter_parser(template):
        if field is not None:
            _check_path(_string.formatter_field_name_split(field)[1])
        if specification:
            _check(specification, depth + 1)


def _check_path(steps: Iterable[tuple[bool, int | str]]) -> None:
    """Refuse a step that would be guarded in a program: Python reads the attributes itself."""
    for is_attribute, name in steps:
        if is_attribute and (str(name).startswith("_") or reading(str(name)) is not Reading.NATIVE):
            refuse(_RULE, _DETAIL)
