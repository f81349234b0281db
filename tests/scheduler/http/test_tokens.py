"""Tokens for HTTP: what the file keeps, who finds one, and what a file must be for anybody to be let in."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from statek.api.http import tokens
from statek.api.http.tokens import Tokens, TokensUnusable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.toml"


def test_a_token_is_found_by_its_text_and_the_file_does_not_hold_it(path: Path) -> None:
    bearer = tokens.create(path, "ann", ["read", "push"], ["researcher"])
    found = Tokens(path).find(bearer)
    assert found is not None
    assert (found.name, found.scopes, found.agents) == ("ann", {"read", "push"}, {"researcher"})
    assert bearer not in path.read_text()
    assert bearer.removeprefix(tokens.PREFIX) not in path.read_text()


@pytest.mark.parametrize("wrong", ["", "statek_", "ann", "\ud800", "statek_" + "x" * 43])
def test_nothing_else_is_found(path: Path, wrong: str) -> None:
    tokens.create(path, "ann", ["read"])
    assert Tokens(path).find(wrong) is None


def test_a_scope_allows_itself_and_admin_allows_everything(path: Path) -> None:
    reader, admin = tokens.create(path, "reader", ["read"]), tokens.create(path, "root", ["admin"])
    known = Tokens(path)
    first, second = known.find(reader), known.find(admin)
    assert first is not None
    assert second is not None
    assert [scope for scope in tokens.SCOPES if first.allows(scope)] == ["read"]
    assert all(second.allows(scope) for scope in tokens.SCOPES)


def test_what_is_revoked_or_made_is_known_to_a_server_that_runs(path: Path) -> None:
    bearer = tokens.create(path, "ann", ["read"])
    known = Tokens(path)
    later = tokens.create(path, "bob", ["read"])
    assert known.find(later) is not None
    tokens.revoke(path, "ann")
    assert known.find(bearer) is None
    assert known.find(later) is not None


def test_the_file_is_its_owners_alone(path: Path) -> None:
    tokens.create(path, "ann", ["read"])
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(TokensUnusable, match="chmod 600"):
        Tokens(path)


def test_a_server_whose_file_was_spoilt_lets_nobody_in_until_it_is_mended(path: Path) -> None:
    bearer = tokens.create(path, "ann", ["read"])
    known, good = Tokens(path), path.read_bytes()
    path.write_bytes(good + b"nonsense")
    with pytest.raises(TokensUnusable):
        known.find(bearer)
    path.unlink()
    with pytest.raises(TokensUnusable):
        known.find(bearer)
    path.write_bytes(good)
    path.chmod(0o600)
    assert known.find(bearer) is not None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nothing = 1", "no table"),
        ('[ann]\ndigest = "00"\nscopes = ["read"]', "no SHA-256"),
        (f'[ann]\ndigest = "{"0" * 64}"\nscopes = ["raed"]', "did you mean 'read'"),
        (f'[ann]\ndigest = "{"0" * 64}"\nscopes = []', "no scopes"),
        (f'[ann]\ndigest = "{"0" * 64}"\nscopes = "read"', "lists of text"),
        (f'[ann]\ndigest = "{"0" * 64}"\nscopes = ["read"]\nsecret = 1', "no token has"),
        (f'[ann]\ndigest = "{"0" * 64}"\nscopes = ["admin"]\nagents = ["x"]', "cannot be admin"),
        (f'[ann]\ndigest = "{"0" * 64}"\nscopes = ["read"]\ncreated = -1', "number of seconds"),
        ("[ann", "tokens.toml cannot be used"),
    ],
)
def test_a_malformed_file_is_refused_with_what_is_wrong(path: Path, text: str, told: str) -> None:
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(TokensUnusable, match=told):
        Tokens(path)


def test_names_are_taken_once_and_are_names(path: Path) -> None:
    tokens.create(path, "ann", ["read"])
    with pytest.raises(ValueError, match="already"):
        tokens.create(path, "ann", ["read"])
    for wrong in ("", "a b", "../x", "x" * 1_000, "é"):
        with pytest.raises(ValueError, match="no name for a token"):
            tokens.create(path, wrong, ["read"])
    with pytest.raises(ValueError, match="did you mean 'ann'"):
        tokens.revoke(path, "anne")
    assert [token.name for token in tokens.read(path)] == ["ann"]


def test_a_directory_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.touch()
    with pytest.raises(TokensUnusable):
        tokens.create(place / "tokens.toml", "ann", ["read"])
    assert os.listdir(tmp_path) == ["file"]
