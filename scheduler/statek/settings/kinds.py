"""Which values a setting takes: the types that check them, and the words in which people are told."""

from __future__ import annotations

import types
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin
from urllib.parse import urlsplit

from annotated_types import Ge, Gt, Le
from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationInfo

from statek.logs.configuring import Format, Level
from statek_protocol.transport.endpoints import InvalidEndpoint, parse_endpoint

NONE: Final = "none"
"""What is written where a setting is to have no value, as neither the environment nor TOML has a word for it."""


@dataclass(frozen=True, slots=True)
class Words:
    """What a setting takes, for people, where its type does not say it."""

    text: str


def _placed(path: Path, info: ValidationInfo) -> Path:
    """Let a relative path start where it was written: beside the file, or in the working directory."""
    if "\0" in str(path):
        raise ValueError("a path cannot hold a NUL character")
    try:
        path = path.expanduser()
    except RuntimeError as error:
        raise ValueError(f"the home directory in it is not known: {error}") from None
    folder: Path | None = (info.context or {}).get(info.field_name)
    return path if folder is None else folder / path


def _checked_endpoint(text: str) -> str:
    try:
        parse_endpoint(text)
    except InvalidEndpoint as error:
        raise ValueError(str(error)) from None
    return text


def _checked_url(text: str) -> str:
    """Let through what an HTTP client can be pointed at; a key in it would be shown as part of the address."""
    parts = urlsplit(text)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("it is no http:// or https:// address")
    if parts.username is not None or parts.password is not None:
        raise ValueError("it holds a user name or password, which belong into the key")
    return text


def _checked_key(key: SecretStr) -> SecretStr:
    """Let through what a header can carry."""
    text = key.get_secret_value()
    if not text or not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("look for line breaks")
    return key


def _upper(value: object) -> object:
    return value.upper() if isinstance(value, str) else value


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


Count = Annotated[int, Field(ge=0)]
Positive = Annotated[int, Field(ge=1)]
Seconds = Annotated[float, Field(ge=0)]
SomeSeconds = Annotated[float, Field(gt=0)]
Days = Annotated[float, Field(ge=0)]
Amount = Annotated[Decimal, Field(ge=0)]
Place = Annotated[Path, AfterValidator(_placed)]
Endpoint = Annotated[str, AfterValidator(_checked_endpoint), Words("tcp://HOST:PORT or ipc://PATH")]
HttpAddress = Annotated[str, AfterValidator(_checked_url), Words("an http:// or https:// address")]
Key = Annotated[SecretStr, AfterValidator(_checked_key), Words("visible ASCII characters without spaces")]
Port = Annotated[int, Field(ge=0, le=65535)]
LogLevel = Annotated[Level, BeforeValidator(_upper)]
LogFormat = Annotated[Format, BeforeValidator(_lower)]

_WORDS: Final = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    Decimal: "a number",
    Path: "a path",
    str: "text",
}


def in_words(hint: Any, marks: tuple[Any, ...] = ()) -> str:
    """Say what a field of this type takes."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return in_words(arguments[0], (*marks, *_flat(arguments[1:])))
    said = [mark.text for mark in marks if isinstance(mark, Words)]
    if said:
        return said[0]
    if origin in (Union, types.UnionType):
        (inner,) = (argument for argument in arguments if argument is not types.NoneType)
        return f"{in_words(inner, marks)}, or {NONE}"
    if origin is Literal:
        return ", ".join(arguments[:-1]) + f" or {arguments[-1]}"
    return " ".join((_WORDS[hint], *_bounds(marks)))


def takes(hint: Any, kind: type) -> bool:
    """Tell whether a field of this type may hold a value of that type."""
    return hint is kind or any(takes(argument, kind) for argument in get_args(hint) if not isinstance(argument, str))


def _flat(marks: tuple[Any, ...]) -> tuple[Any, ...]:
    """Look into what `Field` gathers."""
    return tuple(inner for mark in marks for inner in (getattr(mark, "metadata", None) or [mark]))


def _bounds(marks: tuple[Any, ...]) -> list[str]:
    low = [f"from {mark.ge:n}" for mark in marks if isinstance(mark, Ge)]
    high = [f"to {mark.le:n}" for mark in marks if isinstance(mark, Le)]
    above = [f"above {mark.gt:n}" for mark in marks if isinstance(mark, Gt)]
    return [*above, *low, *(high or (["up"] if low else []))]


def plain(value: object) -> str:
    """Write down a value as the environment would have it."""
    if isinstance(value, bool):
        return str(value).lower()
    return NONE if value is None else f"{value:g}" if isinstance(value, float) else str(value)
