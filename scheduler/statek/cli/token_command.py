"""statek token: who may ask over HTTP, and what."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

import click

from statek.api.http import tokens
from statek.api.http.tokens import SCOPES, Scope, Token, TokensUnusable
from statek.cli.ages import age
from statek.cli.looking import JSON, print_all
from statek.cli.options import open_store, settings_or_exit, wrong_usage
from statek.cli.terminal import say

_FILE = click.option("--file", type=click.Path(path_type=Path), help="The tokens (http_tokens_path, or in the store).")
_STORE = click.option("--store", type=click.Path(path_type=Path), help="The store's directory.")


@click.group("token", short_help="Make, list and revoke tokens for HTTP.")
def token_command() -> None:
    """Make, list and revoke the bearer tokens with which clients come over HTTP.

    The file keeps digests; a token itself is printed once. A running scheduler takes up what is changed.
    """


@token_command.command("create")
@_STORE
@_FILE
@click.option("--scope", "scopes", multiple=True, required=True, type=click.Choice(SCOPES), help="May be repeated.")
@click.option("--agent", "agents", multiple=True, metavar="NAME", help="Only for jobs and queues of this agent.")
@click.argument("name")
def create_command(
    store: Path | None, file: Path | None, scopes: tuple[str, ...], agents: tuple[str, ...], name: str
) -> None:
    """Make a token that is called NAME, and print it. It is shown this once and kept nowhere."""
    path = _path(store, file)
    with _refusals():
        bearer = tokens.create(path, name, cast("tuple[Scope, ...]", scopes), agents or None)
    say(f"the token {name!r} is in {path} as a digest; this is the only time that it is shown")
    click.echo(bearer)


@token_command.command("list")
@_STORE
@_FILE
@JSON
def list_command(store: Path | None, file: Path | None, as_json: bool) -> None:
    """List the tokens, without the tokens themselves."""
    path = _path(store, file)
    with _refusals():
        found = list(tokens.read(path)) if path.exists() else []
    print_all(("NAME", "SCOPES", "AGENTS", "AGE"), found, _cells, _plain, as_json=as_json)


@token_command.command("revoke")
@_STORE
@_FILE
@click.argument("name")
def revoke_command(store: Path | None, file: Path | None, name: str) -> None:
    """Let the token that is called NAME be good for nothing any more."""
    path = _path(store, file)
    with _refusals():
        tokens.revoke(path, name)
    say(f"the token {name!r} is revoked")


def _path(store: Path | None, file: Path | None) -> Path:
    from statek.service.configured import tokens_path

    if file is not None:
        return file
    settings = settings_or_exit(store=store)
    path = tokens_path(settings)
    if path.parent == settings.store:
        open_store(settings.store, must_exist=False)  # or its directory would be one that is no store and not empty
    return path


@contextmanager
def _refusals() -> Iterator[None]:
    try:
        yield
    except (TokensUnusable, ValueError) as error:
        wrong_usage(str(error))


def _cells(token: Token) -> tuple[str, ...]:
    agents = "all" if token.agents is None else ", ".join(sorted(token.agents))
    return token.name, ", ".join(sorted(token.scopes)), agents, age(token.created * 1_000_000)


def _plain(token: Token) -> dict[str, Any]:
    agents = None if token.agents is None else sorted(token.agents)
    return {"name": token.name, "scopes": sorted(token.scopes), "agents": agents, "created": token.created}
