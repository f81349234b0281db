"""The escapes that are words: what native code in an interpreter sends to its supervisor and so to the scheduler.

A program has `attack`, the hostile interpreter of the tests (tests/escapes/process/support), which writes frames by
hand. The application's one tool notes its argument in a file, so that it shows how often it has run.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

LAYERS: Final = ("supervisor", "schema", "turn", "tools", "runner")
"""The supervisor's checks of what an interpreter says; the scheduler's: of form, of what is due, of what is offered,
and of that again where a tool would run."""
OUTPUT_BYTES: Final = 100_000
APP: Final = """
def note(text):
    with open({notes!r}, "a") as file:
        file.write(text + "\\n")

tools = [note]
"""
POLICY: Final = 'extends = "default"\ntools = {tools}\n'


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What is there to see when the attacker's job is over."""

    result: dict[str, Any]
    notes: list[str]
    serves: bool
    """Whether the scheduler that was attacked still serves honest jobs."""


@dataclass(frozen=True, slots=True)
class Words:
    """One way out, by saying something."""

    title: str
    program: str
    taken: Callable[[Aftermath], bool]
    tools: str = '["*"]'


_WAIT: Final = "\nwhile os.read(attack.fd, 4096): pass\n"

ALL: Final = (
    Words(
        "stop the scheduler with messages of the wrong form",
        """
for fields in (
    {"kind": "console", "data": 7},
    {"kind": "observed", "data": None},
    {"kind": "violated", "rule": 1, "detail": [], "line": "x", "layer": {}},
    {"kind": "call", "number": "0", "tool": [7], "arguments": 9},
    {"kind": "finished", "outcome": [], "error": 7, "limit": 8, "snapshot": 9},
):
    attack.send_map(batch=attack.run.batch, **fields)
"""
        + _WAIT,
        lambda after: not after.serves,
    ),
    Words(
        "have one call made twice",
        "attack.call(0, 'note', 'once'); attack.call(0, 'note', 'once')" + _WAIT,
        lambda after: len(after.notes) > 1,
    ),
    Words(
        "call a tool that the policy withholds",
        "attack.call(0, 'note', 'withheld')\nattack.channel.receive(Reply)\nattack.finish()",
        lambda after: bool(after.notes),
        tools="[]",
    ),
    Words(
        "print more than allowed",
        "for _ in range(32): attack.send(Console(attack.run.batch, b'x' * 60_000))\nattack.finish()",
        lambda after: len(after.result["console"]) > 2 * OUTPUT_BYTES,
    ),
    Words(
        "speak in a batch that is not in hand",
        "attack.send(Console(attack.run.batch + 1, b'forged'))\nattack.finish()",
        lambda after: "forged" in after.result["console"],
    ),
)


def application(notes: Path) -> str:
    """The application that the attacked scheduler offers."""
    return APP.format(notes=str(notes))
