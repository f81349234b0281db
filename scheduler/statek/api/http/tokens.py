"""Who may ask over HTTP, and what: bearer tokens, of which a file keeps the digests.

A token is 256 random bits, so its plain SHA-256 tells nothing of it and needs no salt. The file is for its owner alone,
is written as a whole, and is read again when it has changed; one that cannot be read lets nobody in.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import stat
import time
import tomllib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fcntl import LOCK_EX, flock
from pathlib import Path
from typing import Any, Final, Literal, get_args

from statek.errors import StatekError
from statek_policies.errors import shown, suggestion
from statek_protocol.messages.base import NAME_LIMIT

Scope = Literal["read", "submit", "push", "steer", "admin"]
"""read: look at jobs. submit: start jobs. push: messages, events and outcomes of futures. steer: cancel, retry, dead
letters. admin: all of these, and what concerns no single agent: agents, executors, health, usage."""

SCOPES: Final[tuple[Scope, ...]] = get_args(Scope)
PREFIX: Final = "statek_"
"""What tokens begin with, so that people and scanners know one when they see it."""
TOKENS: Final = 1_000
_BYTES: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")


class TokensUnusable(StatekError):
    """The file of tokens is missing, malformed, or open to others; until that is mended nobody is let in."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"the tokens in {path} cannot be used: {reason}")
        self.path = path


@dataclass(frozen=True, slots=True)
class Token:
    """One token as the file keeps it."""

    name: str
    digest: str
    """Hex SHA-256 of the token."""
    scopes: frozenset[Scope]
    agents: frozenset[str] | None = None
    """The agents whose jobs and queues it is for; None for everything."""
    created: int = 0
    """Seconds of Unix time."""

    def allows(self, scope: Scope) -> bool:
        return scope in self.scopes or "admin" in self.scopes

    def is_for(self, agent: str) -> bool:
        """Tell whether it may deal with jobs of that agent."""
        return self.agents is None or agent in self.agents


class Tokens:
    """The tokens of one file, read again when it has changed. Its methods may be called from any thread."""

    def __init__(self, path: Path) -> None:
        """Raises `TokensUnusable`: a server that could let nobody in does not start."""
        self._path = path
        self._read: tuple[tuple[int, ...], tuple[Token, ...]] = (_state_of(path), tuple(read(path)))

    def find(self, bearer: str) -> Token | None:
        """Return the token of which that is the text; raises `TokensUnusable`."""
        digest = hashlib.sha256(bearer.encode("utf-8", "surrogatepass")).hexdigest()
        found = None
        for token in self._tokens():  # all of them, so that the time tells nothing
            if hmac.compare_digest(token.digest, digest):
                found = token
        return found

    def has(self, token: Token) -> bool:
        """Tell whether that token is still good for the same; not while the file cannot be used."""
        try:
            return token in self._tokens()
        except TokensUnusable:
            return False

    def _tokens(self) -> tuple[Token, ...]:
        now = _state_of(self._path)
        state, tokens = self._read
        if now != state:
            tokens = tuple(read(self._path))
            self._read = (now, tokens)
        return tokens


def create(path: Path, name: str, scopes: Iterable[Scope], agents: Iterable[str] | None = None) -> str:
    """Add a token to the file, making it where there is none, and return its text; it is kept nowhere.

    Raises `TokensUnusable`, or ValueError for a name that is taken or none.
    """
    if not _NAME.fullmatch(name) or len(name) > NAME_LIMIT:
        raise ValueError(f"{shown(name)} is no name for a token: letters, digits, dots, dashes and underscores are")
    bearer = PREFIX + secrets.token_urlsafe(_BYTES)
    digest = hashlib.sha256(bearer.encode()).hexdigest()
    allowed = None if agents is None else frozenset(agents)
    token = Token(name, digest, frozenset(scopes), allowed, int(time.time()))
    with _changing(path) as tokens:
        if any(known.name == name for known in tokens):
            raise ValueError(f"there is a token {name!r} already: revoke it first, or choose another name")
        if len(tokens) >= TOKENS:
            raise ValueError(f"there are {TOKENS} tokens, and no more are kept: revoke some")
        tokens.append(_checked(path, token))
    return bearer


def revoke(path: Path, name: str) -> None:
    """Take a token out of the file; raises `TokensUnusable`, or ValueError where there is none of that name."""
    with _changing(path) as tokens:
        left = [token for token in tokens if token.name != name]
        if len(left) == len(tokens):
            near = suggestion(name, [token.name for token in tokens]) if tokens else "there is none at all"
            raise ValueError(f"there is no token {shown(name)}; {near}")
        tokens[:] = left


def read(path: Path) -> Iterator[Token]:
    """Read the file; raises `TokensUnusable`."""
    try:
        with path.open("rb") as file:
            found = os.fstat(file.fileno())
            if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO) or found.st_uid not in (os.geteuid(), 0):
                raise TokensUnusable(path, "others may read or change it; it must be its owner's alone (chmod 600)")
            tables = tomllib.load(file)
    except OSError as error:
        raise _unreadable(path, error) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise TokensUnusable(path, str(error)) from error
    for name, table in tables.items():
        yield _token(path, name, table)


def _token(path: Path, name: str, table: Any) -> Token:
    if not isinstance(table, dict):
        raise TokensUnusable(path, f"{shown(name)} is no table")
    unknown = table.keys() - {"digest", "scopes", "agents", "created"}
    if unknown:
        raise TokensUnusable(path, f"{shown(name)} has a field {shown(min(unknown))} that no token has")
    digest = table.get("digest")
    scopes: Any = table.get("scopes")
    agents: Any = table.get("agents")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise TokensUnusable(path, f"the digest of {shown(name)} is no SHA-256 in hex")
    if not _is_list_of_text(scopes) or not (agents is None or _is_list_of_text(agents)):
        raise TokensUnusable(path, f"scopes and agents of {shown(name)} are lists of text")
    created = table.get("created", 0)
    if type(created) is not int or created < 0:
        raise TokensUnusable(path, f"created of {shown(name)} is a number of seconds")
    return _checked(
        path, Token(name, digest, frozenset(scopes), None if agents is None else frozenset(agents), created)
    )


def _checked(path: Path, token: Token) -> Token:
    for scope in sorted(token.scopes):
        if scope not in SCOPES:
            raise TokensUnusable(
                path, f"{shown(scope)} is no scope of {shown(token.name)}; {suggestion(scope, SCOPES)}"
            )
    if not token.scopes:
        raise TokensUnusable(path, f"{shown(token.name)} has no scopes, so it is good for nothing")
    if token.agents is not None and not all(name.isidentifier() for name in token.agents):
        raise TokensUnusable(path, f"the agents of {shown(token.name)} are given by their names")
    if token.agents is not None and "admin" in token.scopes:
        raise TokensUnusable(path, f"{shown(token.name)} is for some agents only, so its scope cannot be admin")
    return token


def _is_list_of_text(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(part, str) for part in value)


def _state_of(path: Path) -> tuple[int, ...]:
    try:
        found = path.stat()
    except OSError as error:
        raise _unreadable(path, error) from error
    return found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size, found.st_mode


def _unreadable(path: Path, error: OSError) -> TokensUnusable:
    way_out = "; `statek token create` makes it" if isinstance(error, FileNotFoundError) else ""
    return TokensUnusable(path, f"{error.strerror or type(error).__name__}{way_out}")


@contextmanager
def _changing(path: Path) -> Iterator[list[Token]]:
    """Change the list of tokens; nobody else does meanwhile, and nobody ever reads half of it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(os.open(path.with_name(path.name + ".lock"), os.O_CREAT | os.O_RDWR, 0o600), "r+") as lock:
            flock(lock, LOCK_EX)
            tokens = list(read(path)) if path.exists() else []
            yield tokens
            _write(path, tokens)
    except OSError as error:
        raise TokensUnusable(path, error.strerror or type(error).__name__) from error


def _write(path: Path, tokens: Iterable[Token]) -> None:
    new = path.with_name(f"{path.name}.{secrets.token_hex(4)}.new")
    with os.fdopen(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
        file.write("\n".join(_table(token) for token in tokens))
        file.flush()
        os.fsync(file.fileno())
    new.rename(path)


def _table(token: Token) -> str:
    lines = [
        f"[{json.dumps(token.name)}]",
        f'digest = "{token.digest}"',
        f"scopes = {json.dumps(sorted(token.scopes))}",
    ]
    if token.agents is not None:
        lines.append(f"agents = {json.dumps(sorted(token.agents))}")
    return "\n".join((*lines, f"created = {token.created}", ""))


__all__ = ["SCOPES", "Scope", "Token", "Tokens", "TokensUnusable", "create", "read", "revoke"]
