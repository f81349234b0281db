"""Who asks over HTTP, and may they?"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from statek.api.http.problems import Problem
from statek.api.http.tokens import Scope, Token

_KEY_CHARACTERS: Final = 200


@dataclass(frozen=True, slots=True)
class Who:
    """Who asks: the token, and the idempotency key of the request if it has one."""

    token: Token
    key: str | None = None

    def may(self, scope: Scope) -> None:
        """Raise `Problem` where the token does not have the scope."""
        if not self.token.allows(scope):
            reason = f"this takes the scope {scope!r}, which the token {self.token.name!r} does not have"
            raise Problem(
                403, "scope", reason, {"WWW-Authenticate": f'Bearer error="insufficient_scope", scope="{scope}"'}
            )

    def may_all(self, scope: Scope) -> None:
        """Raise `Problem` where the token does not have the scope, or not for all agents."""
        self.may(scope)
        if self.token.agents is not None:
            raise Problem(403, "agents", f"the token {self.token.name!r} is for some agents only, and this is for all")

    def may_for(self, scope: Scope, agent: str) -> None:
        """Raise `Problem` where the token does not have the scope for that agent."""
        self.may(scope)
        if not self.token.is_for(agent):
            raise Problem(403, "agents", f"the token {self.token.name!r} is not for the agent {agent!r}")

    @property
    def once(self) -> str | None:
        """Return the idempotency key as the store keeps it: another token's key is another key."""
        if self.key is None:
            return None
        if not self.key.isprintable() or not 0 < len(self.key) <= _KEY_CHARACTERS:
            raise Problem(400, "idempotency_key", f"an Idempotency-Key has 1 to {_KEY_CHARACTERS} printable characters")
        return hashlib.sha256(f"{self.token.name}\n{self.key}".encode("utf-8", "surrogatepass")).hexdigest()
