"""How two policies differ, field by field, and which of the two permits more where that can be said."""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final, Literal

from statek_policies import patterns
from statek_policies.features import FEATURES
from statek_policies.limits import Limits
from statek_policies.offered import BUILTINS, MODULES
from statek_policies.policy import Policy
from statek_policies.rules import ON_VIOLATION

Verdict = Literal["first", "second", "each", "unknown"]
"""Which permits more: one of them, each something that the other does not, or that cannot be told from the patterns."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A field in which two policies differ."""

    field: str
    first: object
    second: object
    permits_more: Verdict


_KNOWN: Final = {"language": frozenset(FEATURES), "builtins": BUILTINS, "imports": MODULES}
_SEVERITY: Final = tuple(ON_VIOLATION)


def differences(first: Policy, second: Policy) -> tuple[Difference, ...]:
    """List the fields that differ, in the order of the policy; the name of a policy permits nothing and is no field."""
    return tuple(_differences(first, second))


def _differences(first: Policy, second: Policy) -> Iterator[Difference]:
    for name in Limits.names():
        one, other = getattr(first.limits, name), getattr(second.limits, name)
        if one != other:
            yield Difference(f"limits.{name}", one, other, "first" if one > other else "second")
    if first.required_layers != second.required_layers:
        layers = sorted(first.required_layers), sorted(second.required_layers)
        yield Difference("required_layers", *layers, _verdict(second.required_layers, first.required_layers))
    for name, known in _KNOWN.items():
        yield from _of_known(name, getattr(first, name), getattr(second, name), known)
    yield from _of_any("tools", first.tools, second.tools, patterns.covers)
    yield from _of_any("members", first.members, second.members, patterns.covers_member)
    if first.on_violation != second.on_violation:
        stricter = _SEVERITY.index(first.on_violation) > _SEVERITY.index(second.on_violation)
        yield Difference("on_violation", first.on_violation, second.on_violation, "second" if stricter else "first")


def _of_known(
    name: str, first: tuple[str, ...], second: tuple[str, ...], known: Collection[str]
) -> Iterator[Difference]:
    """Compare what the patterns name; two that name the same do not differ, however they are written."""
    one, other = ({entry for entry in known if patterns.matches(entry, wanted)} for wanted in (first, second))
    if one != other:
        yield Difference(name, list(first), list(second), _verdict(one, other))


def _of_any(
    name: str, first: tuple[str, ...], second: tuple[str, ...], covers: Callable[[str, str], bool]
) -> Iterator[Difference]:
    """Compare the patterns themselves: what there will be to name, nobody knows."""
    has_first, has_second = _cover(first, second, covers), _cover(second, first, covers)
    if has_first and has_second:
        return
    certain: Verdict = "first" if has_first else "second" if has_second else "unknown"
    yield Difference(name, list(first), list(second), certain)


def _cover(wide: tuple[str, ...], narrow: tuple[str, ...], covers: Callable[[str, str], bool]) -> bool:
    return all(any(covers(one, other) for one in wide) for other in narrow)


def _verdict(first: Collection[str], second: Collection[str]) -> Verdict:
    if set(first) > set(second):
        return "first"
    return "second" if set(first) < set(second) else "each"
