"""Whatever lies at the path of a policy file: it is read, or refused within a moment with the place and the reason."""

from __future__ import annotations

import os
import socket
import stat
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from statek_policies import InvalidPolicy, Policy, PolicyError, UnreadablePolicy
from statek_policies.policy_files import LONGEST_BYTES, parse_document
from statek_policies.profile_files import trace_policy
from statek_policies.toml_keys import DEEPEST, key_lines
from statek_policies.toml_text import to_toml

LONGEST_VERDICT_SECONDS = 1.0
NOBODY = 65534


def refused(path: Path | str, kind: type[PolicyError] = PolicyError) -> str:
    """Load what must be refused, in time and on one line that a terminal can show; returns what was said."""
    began = time.process_time()
    with pytest.raises(kind) as caught:
        Policy.load(path)
    assert time.process_time() - began < LONGEST_VERDICT_SECONDS
    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 2_000
    return said


def written(folder: Path, text: str | bytes, name: str = "mine.toml") -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


# what lies at the path


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))


def _device(path: Path) -> None:
    path.symlink_to("/dev/zero")


def _loop(path: Path) -> None:
    path.symlink_to(path)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Path.mkdir, "is a directory and not a file"),
        (_pipe, "is a pipe and not a file"),
        (_socket, "is a socket and not a file"),
        (_device, "is a device and not a file"),
        (_loop, "Too many levels of symbolic links"),
        (lambda path: path.symlink_to("nowhere"), "No such file"),
        (lambda _: None, "No such file"),
        (lambda path: path.write_bytes(b"\xff\xfe"), ":1: is not UTF-8 text"),
        (lambda path: path.write_bytes(b"# fine\ntools = []\n# \xe9"), ":3: is not UTF-8 text"),
        (lambda path: path.write_bytes(b"name = 'a\0b'"), "Found invalid character"),
        (lambda path: path.write_bytes(b"name = '" + b"x" * 10_000_000 + b"'"), "the most that is read"),
        (lambda path: os.truncate(path, 2**40) if path.touch() is None else None, "the most that is read"),
    ],
)
def test_what_is_no_text_of_a_policy_is_refused_and_never_waited_for(
    tmp_path: Path, make: Callable[[Path], object], reason: str
) -> None:
    path = tmp_path / "mine.toml"
    make(path)
    assert reason in refused(path, UnreadablePolicy)


def test_a_link_to_a_policy_is_followed(tmp_path: Path) -> None:
    written(tmp_path, "tools = []", "real.toml")
    (tmp_path / "link.toml").symlink_to("real.toml")
    assert Policy.load(tmp_path / "link.toml").tools == ()


def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    path = written(tmp_path, "")
    path.chmod(0)
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)  # root may read every file
    try:
        assert "Permission denied" in refused(path, UnreadablePolicy)
    finally:
        os.seteuid(user)


def test_control_characters_of_a_path_are_shown_and_not_obeyed(tmp_path: Path) -> None:
    said = refused(written(tmp_path, "import = 1", "a\x1b[2J\nb.toml"))
    assert "a\\x1b[2J\\nb.toml:1" in said
    assert "embedded null byte" in refused(tmp_path / "a\0.toml", UnreadablePolicy)
    assert "File name too long" in refused(tmp_path / f"{'x' * 300}.toml", UnreadablePolicy)


# what is in it


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[limits]\ncalls = true", ":2: calls = True: must be a whole number"),
        ("[limits]\ncalls = 1.0", ":2: calls = 1.0: must be a whole number"),
        ("[limits]\ncalls = -1", ":2: calls = -1: must be between"),
        ("[limits]\ncalls = 0x" + "f" * 100_000, ":2: calls = a number of thousands of digits: must be between"),
        ("[limits]\ncalls = " + "9" * 100_000, "holds a value that cannot be read"),
        ("[limits]\ncpu_seconds = nan", ":2: cpu_seconds = nan"),
        ("[limits]\ncpu_seconds = inf", ":2: cpu_seconds = inf"),
        ("[limits]\ncpu_seconds = 1e400", ":2: cpu_seconds = inf"),
        ("[limits]\ncpu_seconds = -0.0", ":2: cpu_seconds = -0.0"),
        ("[limits]\ncpu_seconds = 2024-01-01", ":2: cpu_seconds = datetime.date(2024, 1, 1)"),
        ("[limits]\ncpu_seconds = '5'", ":2: cpu_seconds = '5': must be a number of seconds"),
        ("[[limits]]\ncalls = 1", ":1: limits must be a table"),
        ("limits.calls.more = 1", ":1: calls = {'more': 1}"),
        ("[limits.calls]\nmore = 1", ":1: calls = {'more': 1}"),
        ("limits = { 'cals' = 1 }", ":1: unknown limit 'cals'; did you mean 'calls'"),
        ('"limits"."cals" = 1', ":1: unknown limit 'cals'; did you mean 'calls'"),
        ("tools = 'a'", ":1: tools must be a list"),
        ("tools = [\n  'a',\n  'b c',\n]", ":3: tools: 'b c' can match no Python name"),
        ("tools = [\n  'a', # first\n  'a']", ":3: tools names 'a' twice"),
        ("tools = [1]", ":1: each of tools must be text, not 1"),
        ("tools = [[\n'a']]", ":1: each of tools must be text"),
        ("tools = ['']", ":1: each of tools must be 1 to 200 characters"),
        ("tools = ['" + "x" * 201 + "']", ":1: each of tools must be 1 to 200 characters"),
        ("tools = [" + ",".join(f"'t{n}'" for n in range(1001)) + "]", ":1: tools must be at most 1000 patterns"),
        ("imports = ['json',\n'os']", ":2: imports: 'os' is no module that can be offered"),
        ("builtins = ['prnt']", ":1: builtins: 'prnt' is no built-in name that can be offered; did you mean 'print'"),
        ("builtins = ['eval']", ":1: builtins: 'eval' is no built-in name that can be offered"),
        ("language = ['class']", ":1: language: 'class' is no part of the language"),
        ("members = ['Account']", ":1: members: 'Account' is not a type and a member; write Type.member"),
        ("members = ['Account.a-b']", ":1: members: 'Account.a-b' is not a type and a member"),
        ("on_violation = 'stop'", ":1: on_violation cannot be 'stop'; choose from end, hold, refuse"),
        ("on_violation = 'ends'", ":1: on_violation cannot be 'ends'; did you mean 'end'"),
        ("on_violation = ['end']", ":1: on_violation cannot be ['end']"),
        ("required_layers = [\n'seccomp',\n\n'landlok']", ":4: unknown layer 'landlok' in required_layers"),
        ("required_layers = [['seccomp']]", ":1: unknown layer ['seccomp']"),
        ("required_layers = {seccomp = true}", ":1: required_layers must be a list"),
        ("name = ''", ":1: name must be"),
        ('name = "a\\u001b[2Jb"', ":1: name must be"),
        ("description = 1", ":1: description must be text"),
        ('"\\u001b[2J" = 1', ":1: unknown field '\\x1b[2J'"),
        ("x" * 100_000 + " = 1", ":1: unknown field 'xxxx"),
        ("tools = ['a']\nlimits.calls = 0", ":1: tools names 'a', but calls = 0 allows no call"),
        ("members = ['A.*']\nlimits.calls = 0", ":1: members names 'A.*', but calls = 0 allows no call"),
        ("extends = 'strict'\ntools = ['a']", ":2: tools names 'a', but calls = 0 allows no call"),
        ("language = ['special_methods']", ":1: language offers 'special_methods' without 'classes'"),
        ("[", "Invalid initial character"),
        ("a = 1\na = 2", "Cannot overwrite"),
        ("a = " + "[" * 50_000, f":1: is nested more than {DEEPEST} deep"),
        ("a = " + "{a = " * 20_000, f":1: is nested more than {DEEPEST} deep"),
        (".".join("a" * 60_000) + " = 1", f":1: is nested more than {DEEPEST} deep"),
        ("\n[" + ".".join("a" * 60_000) + "]", f":2: is nested more than {DEEPEST} deep"),
        ("tools = ['" + "*a" * 99 + "']\nimports = [" + ",".join(f"'{'*a' * 90}*{n}'" for n in range(400)) + "]", ":2"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_a_hostile_file_is_refused_with_its_line(tmp_path: Path, text: str, reason: str) -> None:
    assert reason in refused(written(tmp_path, text))


def test_a_file_may_be_as_long_as_it_may_be(tmp_path: Path) -> None:
    text = "tools = ['a']\n#"
    assert Policy.load(written(tmp_path, text + "x" * (LONGEST_BYTES - len(text)))).tools == ("a",)
    assert "longer" in refused(written(tmp_path, text + "x" * (LONGEST_BYTES - len(text) + 1)))


# what it extends


def test_who_said_what_is_known_along_the_chain(tmp_path: Path) -> None:
    written(tmp_path, "# base\nextends = 'strict'\n[limits]\ncalls = 3\n", "team/base.toml")
    path = written(tmp_path, "extends = 'team/base.toml'\ntools = [\n 'a',\n]\n")
    traced = trace_policy(path)
    assert traced.origins["tools"] == f"{path}:2"
    assert traced.origins["limits.calls"] == f"{tmp_path}/team/base.toml:4"
    assert traced.origins["limits.variables"].startswith("profile 'strict':")
    assert traced.origins["imports"].startswith("profile 'strict':")
    assert traced.origins["limits.argument_depth"] == "default"
    assert traced.origins["name"] == str(path)
    assert traced.origins.keys() == {*Policy().to_wire(), *(f"limits.{n}" for n in Policy().limits.names())} - {
        "limits"
    }


@pytest.mark.parametrize(
    ("extends", "reason"),
    [
        ("mine.toml", ":1: extends itself"),
        ("./mine.toml", "extends itself"),
        ("other.toml", "extends itself"),
        ("../outside.toml", ":1: extends '../outside.toml', which is outside the folder"),
        ("/etc/hosts.toml", "which is outside the folder"),
        ("way-out.toml", "which is outside the folder"),
        ("none.toml", "none.toml: No such file"),
        ("stric", ":1: no profile is called 'stric'; did you mean 'strict'"),
        ("a\\u0000.toml", "null byte"),
        ("pipe.toml", "pipe.toml: is a pipe"),
    ],
)
def test_what_cannot_be_extended_is_refused(tmp_path: Path, extends: str, reason: str) -> None:
    folder = tmp_path / "policies"
    written(tmp_path, "secret_token = 1", "outside.toml")
    path = written(folder, f'extends = "{extends}"')
    written(folder, "extends = './mine.toml'", "other.toml")
    (folder / "way-out.toml").symlink_to("../outside.toml")
    os.mkfifo(folder / "pipe.toml")
    said = refused(path)
    assert reason in said
    assert "secret_token" not in said


def test_a_chain_has_an_end(tmp_path: Path) -> None:
    for number in range(10):
        written(tmp_path, f"extends = 'p{number + 1}.toml'", f"p{number}.toml")
    written(tmp_path, "", "p10.toml")
    assert "more than 8 files" in refused(tmp_path / "p0.toml", InvalidPolicy)
    assert Policy.load(tmp_path / "p4.toml").name == "p4"


# where keys are


TOML = """\
name = "x" # name
'quo ted' = 1
"esc\\u0061ped" = '''
fake = 1
'''
dotted.key."with space" = [1, [
  2,
], { in = 3,
}]
text = \"""
more = "quotes\\\\"
\"\"\"\"
[table] # heading
a = { b = { c = 1 }, "d" = [ 5 ] }
when = 1979-05-27 07:32:00
[table.deeper]
x = 1
[[list]]
y = 1
[[list]]
z = 1
[list.inner]
w = 1
"""


def test_the_line_of_every_key_is_found() -> None:
    text = TOML.replace("3,\n}", "3 }")
    lines = key_lines(text)
    found = {path: text.splitlines()[line - 1].strip() for path, line in lines.items()}
    assert found[("escaped",)].startswith('"esc')
    assert found[("dotted", "key", "with space")].startswith("dotted")
    assert found[("dotted", "key", "with space", 1, 0)] == "2,"
    assert found[("dotted", "key", "with space", 2, "in")].startswith("], {")
    assert found[("text",)].startswith("text")
    assert found[("table",)].startswith("[table]")
    assert found[("table", "a", "b", "c")].startswith("a =")
    assert found[("table", "a", "d", 0)].startswith("a =")
    assert found[("table", "deeper", "x")] == "x = 1"
    assert found[("list", 1, "z")] == "z = 1"
    assert found[("list", 1, "inner", "w")] == "w = 1"
    assert set(lines) >= set(_paths(tomllib.loads(text)))


def _paths(value: Any, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    entries = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, entry in entries:
        yield (*path, key)
        yield from _paths(entry, (*path, key))


keys = st.one_of(
    st.from_regex(r"[A-Za-z0-9_-]{1,5}", fullmatch=True),
    st.text(st.characters(codec="utf-8", categories=["L", "P", "S", "Zs"]), max_size=4).map(
        lambda text: '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
    ),
    st.text("abc .#=[]{}", max_size=4).map(lambda text: f"'{text}'"),
)
scalars = st.one_of(
    st.integers().map(str),
    st.sampled_from(["true", "1.5e3", "inf", "1979-05-27", "07:32:00", '""', "''", '"a#\\"]"', "'''x\n'y'\n'''"]),
    st.sampled_from(['"""\n[a]\nb = 1\\\n"""', '"""a""b"""""', "''''a'''''"]),
)
arrays = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3).map(lambda items: "[ # remark\n" + ",\n".join(items) + "\n]"),
    max_leaves=5,
)
tables = st.dictionaries(keys, arrays, max_size=3).map(
    lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
)
settings_of_keys = st.tuples(st.lists(keys, min_size=1, max_size=3).map(" . ".join), arrays | tables).map(" = ".join)
headings = (
    st.lists(keys, min_size=1, max_size=2)
    .map(".".join)
    .flatmap(lambda path: st.sampled_from([f"[{path}]", f"[[{path}]]", f"[ {path} ] # remark"]))
)


@settings(max_examples=150, deadline=None)
@given(st.lists(settings_of_keys | headings, max_size=8).map("\n".join))
def test_whatever_tomllib_takes_has_a_line_for_each_key_and_entry(text: str) -> None:
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        key_lines(text)
        return
    lines = key_lines(text)
    assert set(_paths(document)) <= set(lines)
    assert all(1 <= line <= text.count("\n") + 1 for line in lines.values())


fields = st.sampled_from(
    [*Policy().to_wire(), "extends", "description", "import", "limits.calls", "limits.cpu_seconds"]
)
values = st.one_of(
    arrays,
    st.sampled_from(["'strict'", "[]", "['*']", "['print']", "'end'", "0", "{calls = 1}", "'../x.toml'", "nan", "-1"]),
)


@settings(max_examples=300)
@given(st.lists(st.tuples(fields, values).map(" = ".join), max_size=5).map("\n".join) | st.text(max_size=200))
def test_any_text_is_a_policy_or_refused(text: str) -> None:
    folder, began = Path("/nonexistent"), time.process_time()
    try:
        document = parse_document(text, place="it", stem="it", folder=folder)
    except UnreadablePolicy:
        return
    finally:
        assert time.process_time() - began < LONGEST_VERDICT_SECONDS
    assert document.lines.keys() >= set(_paths(dict(document.fields)))


@settings(max_examples=200, deadline=None)
@given(text=st.lists(st.tuples(fields, values).map(" = ".join), max_size=4).map("\n".join) | st.text(max_size=50))
def test_any_file_is_a_policy_that_can_be_written_down_again_or_refused(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    folder = tmp_path_factory.mktemp("policies")
    path = folder / "mine.toml"
    path.write_text(text, "utf-8")
    try:
        policy = Policy.load(path)
    except PolicyError as error:
        assert str(error).isprintable()  # noqa: PT017 - whether there is one is the question
        return
    again = folder / "again.toml"
    again.write_text(to_toml(policy), "utf-8")
    assert Policy.load(again) == policy
    assert Policy.from_wire(policy.to_wire()) == policy
    assert stat.S_ISREG(path.stat().st_mode)
