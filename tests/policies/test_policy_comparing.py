"""Two policies are compared by what they permit, and nothing is claimed that the patterns do not tell."""

from __future__ import annotations

import itertools
from fnmatch import fnmatchcase

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statek_policies import BASE_LAYERS, Policy
from statek_policies.comparing import differences
from statek_policies.patterns import covers, covers_member, matches_member
from statek_policies.remarks import remarks


def verdicts(first: Policy, second: Policy) -> dict[str, str]:
    return {difference.field: difference.permits_more for difference in differences(first, second)}


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (Policy(), Policy(name="other"), {}),
        (Policy(), Policy().with_limits(calls=1), {"limits.calls": "first"}),
        (Policy(), Policy().with_limits(cpu_seconds=9), {"limits.cpu_seconds": "second"}),
        (Policy(), Policy(required_layers=BASE_LAYERS | {"netns"}), {"required_layers": "first"}),
        (Policy(required_layers=frozenset({"uid"})), Policy(), {"required_layers": "each"}),
        (Policy(imports=("math", "json")), Policy(imports=("math", "re")), {"imports": "each"}),
        (Policy(imports=("collections*",)), Policy(imports=("collections", "collections.abc")), {}),
        (Policy(builtins=("print",)), Policy(), {"builtins": "second"}),
        (Policy(language=("*s",)), Policy(language=("classes",)), {"language": "first"}),
        (Policy(tools=("mail_*",)), Policy(tools=("mail_send",)), {"tools": "first"}),
        (Policy(tools=()), Policy(tools=("a",)), {"tools": "second"}),
        (Policy(tools=("a*",)), Policy(tools=("*b",)), {"tools": "unknown"}),
        (Policy(tools=("a", "*")), Policy(), {}),
        (Policy(members=("Account.*",)), Policy(members=("*.balance",)), {"members": "unknown"}),
        (Policy(members=("*.balance",)), Policy(members=("Account.balance",)), {"members": "first"}),
        (Policy(members=("*",)), Policy(members=("*.*",)), {}),
        (Policy(on_violation="end"), Policy(on_violation="hold"), {"on_violation": "second"}),
        (Policy(on_violation="refuse"), Policy(on_violation="hold"), {"on_violation": "first"}),
    ],
)
def test_each_field_says_which_policy_permits_more(first: Policy, second: Policy, expected: dict[str, str]) -> None:
    assert verdicts(first, second) == expected
    turned = {"first": "second", "second": "first"}
    assert verdicts(second, first) == {field: turned.get(verdict, verdict) for field, verdict in expected.items()}


def test_nothing_in_strict_permits_more_than_default() -> None:
    found = verdicts(Policy.load("default"), Policy.load("strict"))
    assert set(found.values()) == {"first"}


patterns = st.text("ab*?[]!", min_size=1, max_size=4)
NAMES = ["".join(letters) for length in range(5) for letters in itertools.product("ab", repeat=length)]


@settings(max_examples=500, deadline=None)
@given(patterns, patterns)
def test_a_pattern_that_is_said_to_cover_another_names_all_that_it_names(wide: str, narrow: str) -> None:
    if covers(wide, narrow):
        assert all(fnmatchcase(name, wide) for name in NAMES if fnmatchcase(name, narrow))


def test_members_are_covered_type_by_type() -> None:
    assert covers_member("*", "Account.balance")
    assert covers_member("A*.*", "Acc*.balance")
    assert not covers_member("Account.*", "*.balance")


@pytest.mark.parametrize(
    ("pattern", "offered", "withheld"),
    [
        ("*", [("Account", "balance"), ("A", "__len__")], []),
        ("Account.balance", [("Account", "balance")], [("Account", "close"), ("Accounts", "balance")]),
        ("*.balance", [("Account", "balance"), ("B", "balance")], [("Account", "Balance")]),
        ("Acc*.get_*", [("Account", "get_it")], [("Account", "set_it"), ("Bank", "get_it")]),
        ("*.*", [("A", "b")], []),
    ],
)
def test_members_are_offered_by_type_and_name(
    pattern: str, offered: list[tuple[str, str]], withheld: list[tuple[str, str]]
) -> None:
    policy = Policy(members=(pattern,))
    assert all(policy.offers_member(*member) for member in offered)
    assert not any(policy.offers_member(*member) for member in withheld)
    assert not matches_member("Account", "balance", ())


@pytest.mark.parametrize(
    ("policy", "said"),
    [
        (Policy(), []),
        (Policy().with_limits(cpu_seconds=60), ["cpu_seconds = 60 is never reached"]),
        (Policy().with_limits(calls=0), ["tools and members are offered, but calls = 0"]),
        (Policy(members=()).with_limits(calls=0), ["tools are offered, but calls = 0"]),
        (Policy().with_limits(output_bytes=10), ["output_lines"]),
        (Policy().with_limits(memory_bytes=16 * 2**20, workspace_bytes=32 * 2**20), ["workspace_bytes"]),
        (Policy().with_limits(memory_bytes=16 * 2**20, argument_bytes=16 * 2**20), []),
    ],
)
def test_what_has_no_effect_is_remarked_upon(policy: Policy, said: list[str]) -> None:
    found = remarks(policy)
    assert len(found) == len(said)
    assert all(words in remark for words, remark in zip(said, found, strict=True))


def test_the_profiles_of_ours_have_no_fields_without_effect() -> None:
    assert {name: remarks(Policy.load(name)) for name in Policy.profiles()} == dict.fromkeys(Policy.profiles(), ())
