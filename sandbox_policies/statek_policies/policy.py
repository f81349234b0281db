"""The value that says what one guest may do, how it is changed, and its form on the wire."""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from functools import cached_property
from hashlib import blake2b
from typing import Any, Self

from statek_policies.errors import InvalidPolicy, UnknownField, UnknownLimit, nearest
from statek_policies.limits import Limits
from statek_policies.offered import MODULES
from statek_policies.rules import BASE_LAYERS, LAYERS

EVERYTHING = ("*",)
_FIELDS = ("name", "limits", "required_layers", "imports", "tools")
_LONGEST_NAME = 200
_MOST_PATTERNS = 1000


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a guest may do. Refused when contradictory, compared by value, changed by `with_...`."""

    name: str = "default"
    limits: Limits = field(default_factory=Limits)
    required_layers: frozenset[str] = BASE_LAYERS
    """A host whose posture lacks one of them is not given the job."""
    imports: tuple[str, ...] = EVERYTHING
    """Glob patterns over the modules that the language offers; an empty tuple offers none."""
    tools: tuple[str, ...] = EVERYTHING
    """Glob patterns over the names of tools; an empty tuple offers none."""

    def __post_init__(self) -> None:
        _check_name(self.name)
        if type(self.limits) is not Limits:
            raise InvalidPolicy("limits must be Limits")
        object.__setattr__(self, "required_layers", _layers(self.required_layers))
        object.__setattr__(self, "imports", _patterns("imports", self.imports))
        object.__setattr__(self, "tools", _patterns("tools", self.tools))
        _check_imports(self.imports)

    @classmethod
    def load(cls, name_or_path: str | os.PathLike[str]) -> "Policy":
        """Read a profile by its name, or a TOML file by its path."""
        from statek_policies.profile_files import load_policy  # that file builds policies

        return load_policy(name_or_path)

    @staticmethod
    def profiles() -> tuple[str, ...]:
        """List the profiles that come with this package."""
        from statek_policies.profile_files import profile_names  # that file builds policies

        return profile_names()

    def with_limits(self, /, **limits: object) -> Self:
        """Return the same policy with some limits replaced."""
        return replace(self, limits=self.limits.changed(**limits))

    def offers_module(self, name: str) -> bool:
        """Tell whether a guest may import this module."""
        return name in MODULES and _matches(name, self.imports)

    def offers_tool(self, name: str) -> bool:
        """Tell whether a guest may call the tool of this name."""
        return _matches(name, self.tools)

    def modules(self) -> frozenset[str]:
        """Return every module that a guest may import."""
        return frozenset(name for name in MODULES if _matches(name, self.imports))

    @cached_property
    def hash(self) -> str:
        """Identify the policy by what it says: the hex blake2b of its canonical form."""
        canonical = json.dumps(self.to_wire(), sort_keys=True, separators=(",", ":")).encode()
        return blake2b(canonical, digest_size=32).hexdigest()

    def to_wire(self) -> dict[str, Any]:
        """Return plain values, in one order."""
        return {
            "name": self.name,
            "limits": self.limits.to_wire(),
            "required_layers": sorted(self.required_layers),
            "imports": list(self.imports),
            "tools": list(self.tools),
        }

    @classmethod
    def from_wire(cls, value: object) -> "Policy":
        """Build the policy from plain values; every field must be there and nothing else."""
        fields = _mapping("a policy", value, _FIELDS)
        limits = _mapping("limits", fields["limits"], Limits.names(), unknown=UnknownLimit)
        layers, imports, tools = (_texts(name, fields[name]) for name in _FIELDS[2:])
        return cls(
            name=_text("name", fields["name"]),
            limits=Limits().changed(**limits),
            required_layers=frozenset(layers),
            imports=imports,
            tools=tools,
        )


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _mapping(
    what: str, value: object, names: tuple[str, ...], unknown: type[UnknownField] | type[UnknownLimit] = UnknownField
) -> dict[str, Any]:
    if type(value) is not dict:
        raise InvalidPolicy(f"{what} must be a table")
    for key in value:
        if type(key) is not str or key not in names:
            raise unknown(str(key)[:_LONGEST_NAME], names)
    missing = [name for name in names if name not in value]
    if missing:
        raise InvalidPolicy(f"{what} lacks {', '.join(missing)}")
    return value


def _text(name: str, value: object) -> str:
    if type(value) is not str:
        raise InvalidPolicy(f"{name} must be text")
    return value


def _texts(name: str, value: object) -> tuple[str, ...]:
    if type(value) not in (list, tuple):
        raise InvalidPolicy(f"{name} must be a list of texts")
    return tuple(_text(f"each of {name}", item) for item in value)  # type: ignore[attr-defined]


def _check_name(name: object) -> None:
    if type(name) is not str or not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidPolicy(f"name must be 1 to {_LONGEST_NAME} printable characters")


def _layers(value: object) -> frozenset[str]:
    if not isinstance(value, (frozenset, set, tuple, list)):
        raise InvalidPolicy("required_layers must be a set of layer names")
    for layer in value:
        if layer not in LAYERS:
            close = nearest(str(layer), LAYERS)
            raise InvalidPolicy(f"unknown layer {layer!r} in required_layers; " + _suggestion(close, LAYERS))
    return frozenset(value)


def _suggestion(close: str | None, valid: Iterable[str]) -> str:
    return f"did you mean {close!r}?" if close else f"choose from {', '.join(sorted(valid))}"


def _patterns(name: str, value: object) -> tuple[str, ...]:
    patterns = _texts(name, value)
    if len(patterns) > _MOST_PATTERNS or any(not 0 < len(text) <= _LONGEST_NAME for text in patterns):
        raise InvalidPolicy(f"{name} must be at most {_MOST_PATTERNS} patterns of 1 to {_LONGEST_NAME} characters")
    if len(set(patterns)) != len(patterns):
        raise InvalidPolicy(f"{name} names the same pattern twice")
    return patterns


def _check_imports(patterns: tuple[str, ...]) -> None:
    for pattern in patterns:
        if not any(fnmatchcase(module, pattern) for module in MODULES):
            close = nearest(pattern, MODULES)
            raise InvalidPolicy(f"imports: {pattern!r} is no module that can be offered; {_suggestion(close, MODULES)}")
