"""`str.format` without the attribute access that fields allow."""

import _string  # type: ignore[import-not-found]  # the parser behind str.format; no stub describes it
from collections.abc import Mapping
from typing import Any

from statek_policies.language.reports import refuse

_RULE = "format.attribute"
_DETAIL = "a format field cannot read attributes; use an f-string, or pass the value itself"
_DEEPEST = 3
"""CPython refuses fields nested deeper than two."""


def format_text(template: str, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> str:
    """Do what `template.format(*arguments, **keywords)` does, attribute access refused."""
    _check(template)
    return str.format(template, *arguments, **keywords)


def format_mapping(template: str, mapping: Mapping[str, Any]) -> str:
    """Do what `template.format_map(mapping)` does, attribute access refused."""
    _check(template)
    return str.format_map(template, mapping)


def _check(template: str, depth: int = 0) -> None:
    """Look at each field as CPython's own parser sees it; a field may be nested in a format specification."""
    if depth >= _DEEPEST:
        return
    for _literal, field, specification, _conversion in _string.formatter_parser(template):
        if field is not None and any(
            is_attribute for is_attribute, _key in _string.formatter_field_name_split(field)[1]
        ):
            refuse(_RULE, _DETAIL)
        if specification:
            _check(specification, depth + 1)
