"""The value that says what one guest may do, how it is changed, and its form on the wire."""

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from hashlib import blake2b
from typing import Any, Self

from statek_policies import patterns
from statek_policies.errors import InvalidPolicy, UnknownField, UnknownLimit, shown, suggestion
from statek_policies.features import FEATURES
from statek_policies.limits import Limits
from statek_policies.offered import BUILTINS, MODULES
from statek_policies.patterns import EVERYTHING
from statek_policies.rules import BASE_LAYERS, LAYERS, ON_VIOLATION, OnViolation

_LONGEST_NAME = 200
_LATER = {"language": ["*"], "builtins": ["*"], "members": ["*"], "on_violation": "refuse"}
"""Fields that the first policies on record do not have, with what those policies meant."""


@dataclass(frozen=True, kw_only=True)
class Policy:
    """What a guest may do. Refused when contradictory, compared by value, changed by `with_...`.

    The fields `language`, `builtins`, `imports`, `tools` and `members` hold glob patterns; an empty tuple offers none.
    """

    name: str = "default"
    limits: Limits = field(default_factory=Limits)
    required_layers: frozenset[str] = BASE_LAYERS
    """A host whose posture lacks one of them is not given the job."""
    language: tuple[str, ...] = EVERYTHING
    """Over the parts of the language that can be left out (features.py)."""
    builtins: tuple[str, ...] = EVERYTHING
    """Over the built-in names."""
    imports: tuple[str, ...] = EVERYTHING
    """Over the modules that the language offers."""
    tools: tuple[str, ...] = EVERYTHING
    """Over the names of tools."""
    members: tuple[str, ...] = EVERYTHING
    """Over the members of the application's objects, as `Type.member`."""
    on_violation: OnViolation = "refuse"
    """What an attempt to do what is refused means for the job (rules.ON_VIOLATION)."""

    def __post_init__(self) -> None:
        _check_name(self.name)
        if type(self.limits) is not Limits:
            raise InvalidPolicy("limits must be Limits", key=("limits",))
        object.__setattr__(self, "required_layers", _layers(self.required_layers))
        for name in PATTERN_FIELDS:
            object.__setattr__(self, name, patterns.checked(name, getattr(self, name)))
        patterns.check_among("language", self.language, FEATURES, "part of the language that can be left out")
        patterns.check_among("builtins", self.builtins, BUILTINS, "built-in name that can be offered")
        patterns.check_among("imports", self.imports, MODULES, "module that can be offered")
        patterns.check_names("tools", self.tools)
        patterns.check_members("members", self.members)
        _check_on_violation(self.on_violation)
        self._check_contradictions()

    def _check_contradictions(self) -> None:
        for name in ("tools", "members"):
            named = getattr(self, name)
            if self.limits.calls == 0 and named not in ((), EVERYTHING):
                reason = f"{name} names {shown(named[0])}, but calls = 0 allows no call; raise calls or set {name} = []"
                raise InvalidPolicy(reason, key=(name,))
        if self.offers_feature("special_methods") and not self.offers_feature("classes"):
            reason = "language offers 'special_methods' without 'classes', in which they are written; add 'classes'"
            raise InvalidPolicy(reason, key=("language",))

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

    def with_tools(self, /, *names: str) -> Self:
        """Return the same policy with these patterns over tools instead of its own."""
        return replace(self, tools=names)

    def with_imports(self, /, *names: str) -> Self:
        """Return the same policy with these patterns over modules instead of its own."""
        return replace(self, imports=names)

    def with_fields(self, /, **values: Any) -> Self:
        """Return the same policy with some fields replaced, all at once; each is checked as ever."""
        for name in values:
            if name not in FIELDS:
                raise UnknownField(name, FIELDS)
        return replace(self, **values)

    def offers_feature(self, name: str) -> bool:
        """Tell whether a guest may use this part of the language."""
        return name in FEATURES and patterns.matches(name, self.language)

    def offers_builtin(self, name: str) -> bool:
        """Tell whether a guest has the built-in of this name."""
        return name in BUILTINS and patterns.matches(name, self.builtins)

    def offers_module(self, name: str) -> bool:
        """Tell whether a guest may import this module."""
        return name in MODULES and patterns.matches(name, self.imports)

    def offers_tool(self, name: str) -> bool:
        """Tell whether a guest may call the tool of this name."""
        return patterns.matches(name, self.tools)

    def offers_member(self, type_name: str, member: str) -> bool:
        """Tell whether a guest may use this member of the application's objects of this type, named without dots."""
        return patterns.matches_member(type_name, member, self.members)

    def modules(self) -> frozenset[str]:
        """Return every module that a guest may import."""
        return frozenset(name for name in MODULES if patterns.matches(name, self.imports))

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
            **{name: list(getattr(self, name)) for name in PATTERN_FIELDS},
            "on_violation": self.on_violation,
        }

    @classmethod
    def from_wire(cls, value: object) -> "Policy":
        """Build the policy from plain values; every field must be there and nothing else."""
        given = _mapping("a policy", value, FIELDS)
        limits = _mapping("limits", given["limits"], Limits.names(), unknown=UnknownLimit)
        return cls(**{**given, "limits": Limits().changed(**limits)})

    @classmethod
    def from_record(cls, value: object) -> "Policy":
        """Build the policy from the wire form that an earlier release wrote down."""
        return cls.from_wire({**_LATER, **value} if type(value) is dict else value)

    def changed(self, limits: Mapping[str, object], values: Mapping[str, object]) -> "Policy":
        """Return the same policy with plain values in place of some limits and fields, by the strict path."""
        wire = self.to_wire()
        return Policy.from_wire({**wire, **values, "limits": {**wire["limits"], **limits}})


FIELDS = tuple(entry.name for entry in fields(Policy))
"""All fields, in the order in which people read them."""
PATTERN_FIELDS = ("language", "builtins", "imports", "tools", "members")


def _mapping(
    what: str, value: object, names: tuple[str, ...], unknown: type[UnknownField] | type[UnknownLimit] = UnknownField
) -> dict[str, Any]:
    key = ("limits",) if unknown is UnknownLimit else ()
    if type(value) is not dict:
        raise InvalidPolicy(f"{what} must be a table", key=key)
    for name in value:
        if type(name) is not str or name not in names:
            raise unknown(str(name)[:_LONGEST_NAME], names)
    missing = [name for name in names if name not in value]
    if missing:
        raise InvalidPolicy(f"{what} lacks {', '.join(missing)}", key=key)
    return value


def _check_name(name: object) -> None:
    if type(name) is not str or not 0 < len(name) <= _LONGEST_NAME or not name.isprintable():
        raise InvalidPolicy(f"name must be 1 to {_LONGEST_NAME} printable characters", key=("name",))


def _layers(value: object) -> frozenset[str]:
    if not isinstance(value, (frozenset, set, tuple, list)):
        raise InvalidPolicy("required_layers must be a list of layer names", key=("required_layers",))
    for index, layer in enumerate(value):
        if type(layer) is not str or layer not in LAYERS:
            reason = f"unknown layer {shown(layer)} in required_layers; {suggestion(str(layer), LAYERS)}"
            raise InvalidPolicy(reason, key=("required_layers", index))
    return frozenset(value)


def _check_on_violation(value: object) -> None:
    if type(value) is not str or value not in ON_VIOLATION:
        reason = f"on_violation cannot be {shown(value)}; {suggestion(str(value), ON_VIOLATION)}"
        raise InvalidPolicy(reason, key=("on_violation",))
