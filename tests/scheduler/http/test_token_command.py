"""`statek token`: a token is shown once, kept as a digest, and taken back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from statek.api.http.tokens import Tokens
from statek.cli.token_command import token_command


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def run(store: Path, *words: str) -> Result:
    return CliRunner().invoke(token_command, [words[0], "--store", str(store), *words[1:]])


def test_a_token_is_printed_by_itself_and_is_good(store: Path) -> None:
    made = run(store, "create", "ann", "--scope", "read", "--scope", "push", "--agent", "greeter")
    assert made.exit_code == 0, made.output
    found = Tokens(store / "tokens.toml").find(made.stdout.strip())
    assert found is not None
    assert (found.scopes, found.agents) == ({"read", "push"}, {"greeter"})
    assert "only time" in made.stderr


def test_tokens_are_listed_without_themselves_and_revoked(store: Path) -> None:
    assert run(store, "list", "--json").exit_code == 0
    bearer = run(store, "create", "ann", "--scope", "admin").stdout.strip()
    listed = run(store, "list", "--json").stdout
    (token,) = [json.loads(line) for line in listed.splitlines()]
    assert (token["name"], token["scopes"], token["agents"]) == ("ann", ["admin"], None)
    assert bearer not in listed
    assert "ann" in run(store, "list").stdout
    assert run(store, "revoke", "ann").exit_code == 0
    assert Tokens(store / "tokens.toml").find(bearer) is None


def test_a_file_elsewhere_is_used_where_it_is_named(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere.toml"
    bearer = run(store, "create", "ann", "--scope", "read", "--file", str(file)).stdout.strip()
    assert Tokens(file).find(bearer) is not None
    assert not store.exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("create", "ann"), "--scope"),
        (("create", "ann", "--scope", "raed"), "raed"),
        (("create", "a b", "--scope", "read"), "no name for a token"),
        (("create", "ann", "--scope", "admin", "--agent", "x"), "cannot be admin"),
        (("create", "ann", "--scope", "read", "--agent", "not a name"), "agents"),
        (("revoke", "bob"), "there is no token 'bob'"),
    ],
)
def test_what_cannot_be_is_wrong_usage(store: Path, words: tuple[str, ...], told: str) -> None:
    run(store, "create", "other", "--scope", "read")
    refused = run(store, *words)
    assert refused.exit_code == 2
    assert told in refused.stderr
    assert [token["name"] for token in map(json.loads, run(store, "list", "--json").stdout.splitlines())] == ["other"]
