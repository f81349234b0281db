"""A scheduler that says on a pipe when a commit begins and when it has ended: `announcing FD COMMAND...`.

It is the command `statek` as it is, with two methods wrapped. A line of the pipe is the store ("ledger" or "dbzero"), a
word, and the newest event that the store has then.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any

from crashsweep.announced import BEGINS, ENDED
from statek.cli.main import main
from statek.store.ledger import Ledger
from statek.store.session import Session


def announcing(commit: Callable[..., Any], store: str, pipe: int) -> Callable[..., Any]:
    """Wrap a method that commits."""

    @functools.wraps(commit)
    def wrapped(self: Any, *arguments: Any, **named: Any) -> Any:
        os.write(pipe, f"{store} {BEGINS} 0\n".encode())
        result = commit(self, *arguments, **named)
        cursor = self.last_cursor if store == "ledger" else _shown(self)
        os.write(pipe, f"{store} {ENDED} {cursor}\n".encode())
        return result

    return wrapped


def _shown(session: Session) -> int:
    """Return the newest event that is in the objects; 0 while there are none, in a file that is being made."""
    return session.cursor if hasattr(session, "_root") else 0


def run(pipe: int, arguments: list[str]) -> None:
    """Wrap, and be the command."""
    Ledger.append = announcing(Ledger.append, "ledger", pipe)  # type: ignore[method-assign]
    Session.commit = announcing(Session.commit, "dbzero", pipe)  # type: ignore[method-assign]
    main(arguments)


if __name__ == "__main__":
    run(int(sys.argv[1]), sys.argv[2:])
