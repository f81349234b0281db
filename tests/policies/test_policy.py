"""Policies are values: loaded by name or path, changed by `with_limits`, refused when they cannot be meant."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from statek_policies import (
    BASE_LAYERS,
    LAYERS,
    InvalidLimit,
    InvalidPolicy,
    Limits,
    Policy,
    PolicyError,
    UnknownField,
    UnknownLimit,
    UnknownProfile,
    UnreadablePolicy,
    parse_field,
    parse_limit,
)


def test_the_profiles_are_listed_and_load() -> None:
    assert Policy.profiles() == ("analysis", "default", "strict")
    for name in Policy.profiles():
        assert Policy.load(name).name == name


def test_the_default_profile_is_the_default_policy() -> None:
    assert Policy.load("default") == Policy()
    assert Policy().required_layers == BASE_LAYERS <= set(LAYERS)
    assert Policy().tools == ("*",)


def test_a_strict_guest_is_given_less_and_its_host_must_have_more() -> None:
    strict, default = Policy.load("strict"), Policy.load("default")
    assert strict.required_layers > default.required_layers
    assert strict.modules() < default.modules()
    assert not strict.offers_tool("anything")
    assert all(getattr(strict.limits, name) <= getattr(default.limits, name) for name in Limits.names())


def test_the_wire_form_is_plain_and_comes_back_equal() -> None:
    for name in Policy.profiles():
        policy = Policy.load(name)
        wire = policy.to_wire()
        assert Policy.from_wire(wire) == policy
        assert {type(value) for value in wire.values()} <= {str, dict, list}


def test_the_hash_is_of_what_the_policy_says() -> None:
    assert Policy().hash == Policy.load("default").hash
    assert len(bytes.fromhex(Policy().hash)) == 32
    hashes = {Policy().hash, Policy().with_limits(calls=1).hash, Policy(tools=("a",)).hash, Policy(name="x").hash}
    assert len(hashes) == 4


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"extra": 1}, UnknownField),
        ({"limits": {"cpu": 1}}, UnknownLimit),
        ({"limits": {}}, InvalidPolicy),
        ({"limits": 3}, InvalidPolicy),
        ({"limits": Limits().to_wire() | {"calls": True}}, InvalidLimit),
        ({"limits": Limits().to_wire() | {"calls": 1.0}}, InvalidLimit),
        ({"limits": Limits().to_wire() | {"cpu_seconds": float("nan")}}, InvalidLimit),
        ({"limits": Limits().to_wire() | {"cpu_seconds": float("inf")}}, InvalidLimit),
        ({"limits": Limits().to_wire() | {"wall_seconds": "5"}}, InvalidLimit),
        ({"name": ""}, InvalidPolicy),
        ({"name": b"x"}, InvalidPolicy),
        ({"name": "a\nb"}, InvalidPolicy),
        ({"required_layers": ["seccmp"]}, InvalidPolicy),
        ({"required_layers": [1]}, InvalidPolicy),
        ({"required_layers": "seccomp"}, InvalidPolicy),
        ({"imports": ["os"]}, InvalidPolicy),
        ({"imports": ["math", "math"]}, InvalidPolicy),
        ({"tools": [None]}, InvalidPolicy),
        ({"tools": [""]}, InvalidPolicy),
        ({"tools": ["x"] * 2000}, InvalidPolicy),
    ],
)
def test_a_hostile_wire_form_is_refused(change: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        Policy.from_wire(Policy().to_wire() | change)


@pytest.mark.parametrize("value", [None, [], "policy", 3, {}, {"name": "x"}, {1: 2}])
def test_what_is_no_policy_at_all_is_refused(value: object) -> None:
    with pytest.raises(InvalidPolicy):
        Policy.from_wire(value)


def test_a_limit_is_changed_by_name() -> None:
    policy = Policy().with_limits(cpu_seconds=2, calls=0)
    assert (policy.limits.cpu_seconds, policy.limits.calls) == (2.0, 0)
    assert type(policy.limits.cpu_seconds) is float
    assert Policy().limits.calls == Limits().calls


def test_an_unknown_limit_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownLimit, match="did you mean 'cpu_seconds'") as caught:
        Policy().with_limits(cpu_secs=1)
    assert caught.value.nearest == "cpu_seconds"


@pytest.mark.parametrize(
    ("name", "value"), [("cpu_seconds", 0), ("cpu_seconds", -1), ("memory_bytes", 1), ("calls", -1), ("calls", 2**60)]
)
def test_an_impossible_limit_is_refused(name: str, value: float) -> None:
    with pytest.raises(InvalidLimit, match=name):
        Policy().with_limits(**{name: value})


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("cpu_seconds=2", 2.0),
        ("wall_seconds = 0.5", 0.5),
        ("memory_bytes=64MiB", 64 * 2**20),
        ("memory_bytes=1GB", 10**9),
        ("output_bytes=1.5k", 1500),
        ("calls=1_000", 1000),
        ("source_bytes=1e5", 100_000),
    ],
)
def test_a_limit_is_read_from_a_command_line(text: str, value: float) -> None:
    name, parsed = parse_limit(text)
    assert (name, parsed, type(parsed)) == (text.partition("=")[0].strip(), value, type(value))


@pytest.mark.parametrize(
    "text", ["calls", "calls=", "calls=many", "calls=1.5", "cpu_seconds=5MiB", "calls=-1", "calls=1XB"]
)
def test_a_limit_that_cannot_be_read_says_how_to_write_it(text: str) -> None:
    with pytest.raises(InvalidLimit, match=r"write|must"):
        parse_limit(text)


def test_an_unknown_limit_on_a_command_line_names_the_nearest() -> None:
    with pytest.raises(UnknownLimit, match="memory_bytes"):
        parse_limit("memory=1")


def _file(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, "utf-8")
    return path


def test_a_file_extends_a_profile(tmp_path: Path) -> None:
    path = _file(tmp_path, 'extends = "strict"\ntools = ["mail_*"]\n[limits]\ncalls = 5\n')
    policy = Policy.load(path)
    assert (policy.name, policy.tools, policy.limits.calls) == ("mine", ("mail_*",), 5)
    assert policy.imports == Policy.load("strict").imports
    assert policy.offers_tool("mail_send")
    assert not policy.offers_tool("pay")


def test_a_file_extends_a_file_beside_it(tmp_path: Path) -> None:
    _file(tmp_path, 'name = "base"\nimports = ["math"]\n', "base.toml")
    assert Policy.load(_file(tmp_path, 'extends = "base.toml"\n')).imports == ("math",)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (
            "# remark\nimport = ['math']\n",
            UnknownField,
            r"mine\.toml:2: unknown field 'import'; did you mean 'imports'",
        ),
        ("[limits]\ncals = 1\n", UnknownLimit, r"mine\.toml:2: unknown limit 'cals'; did you mean 'calls'"),
        ("[limits]\n\ncalls = -1\n", InvalidLimit, r"mine\.toml:3: calls = -1: must be between"),
        ("limits = 3\n", InvalidPolicy, r"mine\.toml:1: limits must be a table"),
        ("imports = ['mth']\n", InvalidPolicy, r"mine\.toml:1: imports: 'mth' .* did you mean 'math'"),
        ("tools = []\nrequired_layers = ['seccom']\n", InvalidPolicy, r"mine\.toml:2: .*did you mean 'seccomp'"),
        ("extends = 'stict'\n", UnknownProfile, r"mine\.toml:1: no profile is called 'stict'; did you mean 'strict'"),
        ("extends = 3\n", InvalidPolicy, r"mine\.toml:1: extends must be"),
        ("extends = 'mine.toml'\n", InvalidPolicy, r"extends itself"),
        ("extends = 'none.toml'\n", UnreadablePolicy, r"none\.toml: No such file"),
        ("name = \n", UnreadablePolicy, r"mine\.toml: Invalid value \(at line 1"),
        ("description = 5\n", InvalidPolicy, r"mine\.toml:1: description"),
    ],
)
def test_a_wrong_file_says_where_and_what_was_meant(
    tmp_path: Path, text: str, error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        Policy.load(_file(tmp_path, text))


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(UnreadablePolicy, match="UTF-8"):
        Policy.load(path)


def test_an_unknown_profile_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownProfile, match="did you mean 'strict'"):
        Policy.load("strickt")
    with pytest.raises(PolicyError, match="choose from analysis, default, strict"):
        Policy.load("zzz")


def test_the_package_alone_loads_neither_the_language_nor_anything_that_talks() -> None:
    program = (
        "import sys, statek_policies\n"
        "talking = {'asyncio', 'socket', 'zmq', 'ssl', 'multiprocessing'}\n"
        "heavy = {'RestrictedPython', 'statek_policies.language', *talking} & set(sys.modules)\n"
        "import statek_policies.language\n"
        "print(sorted(heavy | talking & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", program], capture_output=True, text=True, check=True, timeout=30)
    assert done.stdout == "[]\n"


def test_fields_are_changed_by_name_and_all_at_once() -> None:
    policy = Policy.load("strict").with_limits(calls=3).with_tools("mail_*", "pay").with_imports("math")
    assert (policy.tools, policy.imports, policy.name) == (("mail_*", "pay"), ("math",), "strict")
    other = policy.with_fields(on_violation="hold", members=["Account.*"], builtins=())
    assert (other.on_violation, other.members, other.builtins) == ("hold", ("Account.*",), ())
    assert policy.on_violation == "end"
    assert len({policy.hash, other.hash, Policy.load("strict").hash}) == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tool": ["a"]}, "unknown field 'tool'; did you mean 'tools'"),
        ({"tools": "mail_*"}, "tools must be a list"),
        ({"tools": ["a", "a"]}, "names 'a' twice"),
        ({"limits": 3}, "limits must be Limits"),
        ({"on_violation": "kill"}, "on_violation cannot be 'kill'"),
        ({"limits": Limits(calls=0), "tools": ["a"]}, "calls = 0 allows no call"),
        ({"language": ["special_methods", "while"]}, "without 'classes'"),
    ],
)
def test_a_change_that_cannot_be_meant_is_refused(change: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidPolicy, match=message):
        Policy().with_fields(**change)


def test_no_calls_beside_a_policy_that_offers_all_tools_is_meant() -> None:
    assert Policy().with_limits(calls=0).offers_tool("anything")
    assert Policy(tools=(), members=()).with_limits(calls=0).limits.calls == 0


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("tools=mail_*, pay", ("tools", ["mail_*", "pay"])),
        ("tools=", ("tools", [])),
        ("tools= ", ("tools", [])),
        ("tools=a,,b", ("tools", ["a", "", "b"])),
        (" on_violation = hold ", ("on_violation", "hold")),
        ("name=a=b", ("name", "a=b")),
        ("required_layers=seccomp,landlock", ("required_layers", ["seccomp", "landlock"])),
    ],
)
def test_a_field_is_read_from_a_command_line(text: str, value: tuple[str, object]) -> None:
    assert parse_field(text) == value


@pytest.mark.parametrize("text", ["tool=a", "tools", "limits=1", "limits.calls=1", ""])
def test_a_field_that_cannot_be_read_says_how_to_write_it(text: str) -> None:
    with pytest.raises(InvalidPolicy, match=r"did you mean|write it as|--limit|choose from"):
        parse_field(text)


def test_a_limit_among_the_fields_is_sent_to_where_limits_are_changed() -> None:
    for text in ("calls=1", "limits.calls=1"):
        with pytest.raises(InvalidPolicy, match="--limit calls=VALUE"):
            parse_field(text)


def test_a_policy_on_record_from_before_a_field_means_what_it_meant() -> None:
    wire = Policy(name="old", tools=("a",)).to_wire()
    older = {name: value for name, value in wire.items() if name not in ("language", "builtins", "members")}
    del older["on_violation"]
    assert Policy.from_record(older) == Policy(name="old", tools=("a",))
    for not_one in (None, [], {}, {**older, "more": 1}):
        with pytest.raises(InvalidPolicy):
            Policy.from_record(not_one)
    with pytest.raises(InvalidPolicy, match="lacks language"):
        Policy.from_wire(older)
