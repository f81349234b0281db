"""How is it kept which agents there are, as their program defines them and as an operator has changed them?

The version that new jobs get is put together of both, each time: the operator's changes stand over the program's
definition, also over later ones of it, until they are taken back.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgpack

from statek.agents.definitions import pack, revise, unpack
from statek.core.agents import AgentDefinition
from statek.store.records import UnreadableRow, checksum

TABLES: Final = (
    """CREATE TABLE agents(
        number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, code BLOB NOT NULL, changes BLOB,
        defined_us INTEGER NOT NULL, revised_us INTEGER, checksum INTEGER NOT NULL)""",
)
COLUMNS: Final = "name, code, changes, defined_us, revised_us, checksum"
ALL: Final = f"SELECT {COLUMNS} FROM agents ORDER BY name"  # noqa: S608 - ours
ONE: Final = f"SELECT {COLUMNS} FROM agents WHERE name = ?"  # noqa: S608 - ours
_PUT: Final = f"""INSERT INTO agents({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT(name) DO UPDATE SET
    code = excluded.code, changes = excluded.changes, defined_us = excluded.defined_us,
    revised_us = excluded.revised_us, checksum = excluded.checksum"""  # noqa: S608 - ours


@dataclass(frozen=True, slots=True)
class KnownAgent:
    """An agent as the ledger knows it."""

    code: AgentDefinition
    """As its program defines it."""
    defined_us: int
    """When a program last defined it differently, in µs of Unix time."""
    changes: Mapping[str, Any] | None = None
    """What an operator has changed, by field; None for nothing."""
    revised_us: int | None = None

    @property
    def name(self) -> str:
        return self.code.name

    def definition(self) -> AgentDefinition:
        """Return the version that new jobs get; raises `AgentRefused` where the changes do not fit the program."""
        return self.code if self.changes is None else revise(self.code, self.changes)


def write(connection: sqlite3.Connection, agents: Iterable[KnownAgent]) -> None:
    """Keep agents as they are now, within the caller's transaction."""
    connection.executemany(_PUT, map(_row, agents))


def agent(row: tuple[Any, ...]) -> KnownAgent:
    """Read a row; raises `UnreadableRow`."""
    name, code, changes, defined_us, revised_us, expected = row
    if checksum(name, code, changes, defined_us, revised_us) != expected:
        raise UnreadableRow("it does not have its checksum")
    try:
        definition = unpack(code)
        changed = None if changes is None else msgpack.unpackb(changes)
    except (ValueError, msgpack.UnpackException) as error:
        raise UnreadableRow(str(error)) from error
    if definition.name != name or not isinstance(changed, dict | None):
        raise UnreadableRow("it is another agent's")
    return KnownAgent(definition, defined_us, changed, revised_us)


def _row(known: KnownAgent) -> tuple[Any, ...]:
    code = pack(known.code)
    changes = None if known.changes is None else msgpack.packb(dict(known.changes))
    columns = known.name, code, changes, known.defined_us, known.revised_us
    return (*columns, checksum(*columns))
