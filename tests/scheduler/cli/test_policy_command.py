"""`statek policy` shows, checks, explains and compares, and says what is wrong in one line and with status 2."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from statek.cli.main import main
from statek_policies import LAYERS, Limits, Policy
from statek_policies.explanations import rules


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(main, ["policy", *map(str, arguments)], catch_exceptions=False)


def as_json(*arguments: str | Path) -> Any:
    return json.loads(run(*arguments, "--json").stdout)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    path = tmp_path / "mine.toml"
    path.write_text("extends = 'strict'\ntools = ['mail_*']\n\n[limits]\ncalls = 5\n")
    return path


def test_the_profiles_are_listed_with_what_they_are_for() -> None:
    done = run("list")
    assert done.exit_code == 0
    assert all(name in done.stdout for name in Policy.profiles())
    assert as_json("list")["strict"]["hash"] == Policy.load("strict").hash


def test_a_policy_is_shown_with_who_said_what(mine: Path) -> None:
    done = run("show", mine)
    assert done.exit_code == 0
    lines = {line.split()[0]: line for line in done.stdout.splitlines() if line}
    assert "mail_*" in lines["tools"]
    assert "profile 'strict'" in lines["limits.cpu_seconds"]
    assert "(none)" in lines["members"]
    assert Policy.load(mine).hash in done.stdout


def test_the_same_is_shown_as_json(mine: Path) -> None:
    shown = as_json("show", mine)
    assert shown["hash"] == Policy.load(mine).hash
    assert Policy.from_wire(shown["policy"]) == Policy.load(mine)
    assert shown["origins"]["tools"] == f"{mine}:2"
    assert shown["origins"]["limits.calls"] == f"{mine}:5"
    assert shown["remarks"] == []


@pytest.mark.parametrize("name", Policy.profiles())
def test_what_is_shown_as_toml_is_the_same_policy(tmp_path: Path, name: str) -> None:
    again = tmp_path / "again.toml"
    again.write_text(run("show", name, "--toml").stdout)
    assert Policy.load(again) == Policy.load(name)
    assert run("diff", name, again).exit_code == 0


def test_files_are_checked_one_by_one(mine: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text("\nimport = ['math']\n")
    done = run("check", mine, wrong, "strict")
    assert done.exit_code == 2
    assert f"{mine}: ok" in done.stdout
    assert "strict: ok" in done.stdout
    assert done.stderr == f"statek: {wrong}:2: unknown field 'import'; did you mean 'imports'?\n"
    assert run("check", mine).exit_code == 0


def test_what_has_no_effect_is_remarked_upon(tmp_path: Path) -> None:
    path = tmp_path / "odd.toml"
    path.write_text("limits.cpu_seconds = 100\n")
    done = run("check", path)
    assert done.exit_code == 0
    assert "note: cpu_seconds = 100 is never reached" in done.stdout


def test_every_rule_limit_and_layer_is_listed_and_explained() -> None:
    listed = as_json("explain")
    assert listed.keys() == {*rules(), *Limits.names(), *LAYERS}
    for name in listed:
        done = run("explain", name)
        assert done.exit_code == 0
        assert done.stdout.startswith(name)
        assert as_json("explain", name)["name"] == name


def test_an_explanation_has_a_reason_a_way_out_and_two_examples() -> None:
    said = run("explain", "format.attribute").stdout
    assert all(word in said for word in ("forbids", "why", "instead", "refused:", "works:"))
    assert "    print('{0.__class__}'.format(1))" in said


def test_a_rule_that_there_is_not_is_answered_with_the_nearest() -> None:
    done = run("explain", "tool.denid")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "did you mean 'tool.denied'?" in done.stderr
    assert "lists them all" in run("explain", "\x1b[2J").stderr


def test_policies_are_compared_field_by_field(mine: Path) -> None:
    done = run("diff", "strict", mine)
    assert done.exit_code == 1
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["field", "limits.calls", "tools"]
    assert as_json("diff", "strict", mine)["differences"][0] == {
        "field": "limits.calls",
        "first": 0,
        "second": 5,
        "permits_more": "second",
    }


def test_policies_that_permit_the_same_do_not_differ() -> None:
    done = run("diff", "strict", "strict")
    assert (done.exit_code, done.stdout) == (0, "strict and strict permit the same\n")
    assert as_json("diff", "strict", "strict") == {"same": True, "differences": []}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["show", "stric"], "no profile is called 'stric'; did you mean 'strict'?"),
        (["show", "none.toml"], "none.toml: No such file"),
        (["show", "strict", "--json", "--toml"], "choose one"),
        (["diff", "strict", "stric"], "did you mean 'strict'?"),
        (["check", "/dev/zero.toml"], "/dev/zero.toml: No such file"),
        (["check", "/dev/./zero"], "is a device and not a file"),
        (["show", "\x1b[2J"], "'\\x1b[2J'"),
        (["show", "[red]no[/red].toml"], "[red]no[/red].toml: No such file"),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(arguments: list[str], said: str) -> None:
    done = run(*arguments)
    assert done.exit_code == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert said in done.stderr
    assert "\x1b" not in done.stderr


def test_nothing_in_a_file_is_obeyed_by_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "[bold]odd.toml"
    path.write_text("description = '[red]x[/red]'\ntools = ['[a-z]*']\n")
    shown = run("show", path).stdout
    assert "[a-z]*" in shown
    assert "\x1b" not in shown
    assert "[bold]odd" in shown
