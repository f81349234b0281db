"""The commands in docs/operations.md are those that there are: none is missing, none is too many, nor is an option."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from statek.cli.main import main

PAGE = (Path(__file__).parents[3] / "docs" / "operations.md").read_text()
SECTION = PAGE[PAGE.index("## Commands\n") : PAGE.index("## Inside an application")]
USAGES = [
    usage.replace("\\|", "|")
    for row in re.findall(r"^\| (`statek .*?)(?<!\\) \| ", SECTION, re.MULTILINE)
    for usage in re.findall(r"`(statek [^`]*)`", row)
]
SAID_OF_ALL = {"--help", "--store"}


def commands(group: click.Group, name: str) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for word in group.list_commands(context):
        command = group.get_command(context, word)
        assert command is not None
        if not isinstance(command, click.Group) or command.invoke_without_command:
            yield f"{name} {word}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{name} {word}")


COMMANDS = dict(commands(main, "statek"))


def name_of(usage: str) -> str:
    words = usage.split()
    return next((name for n in (3, 2) if (name := " ".join(words[:n])) in COMMANDS), usage)


def options(command: click.Command) -> set[str]:
    return {opt for part in command.params for opt in part.opts if opt.startswith("--")} - SAID_OF_ALL


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_told_with_all_its_options_and_no_others(name: str) -> None:
    usages = " ".join(usage for usage in USAGES if name_of(usage) == name)
    assert usages, f"{name} is not in the table"
    known = options(COMMANDS[name])
    if name == "statek scheduler":
        usages = "\n".join(re.findall(r"^\| (`--.*?) \|", SECTION, re.MULTILINE))
    told = set(re.findall(r"--[a-z][a-z-]*", usages))
    beside = {"--all"} if name in ("statek queues redrive", "statek queues discard") else set()
    assert told - SAID_OF_ALL | beside == known


def test_no_command_is_told_that_there_is_not() -> None:
    assert [usage for usage in USAGES if name_of(usage) not in COMMANDS] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_and_option_says_what_it_is_for(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    for part in command.params:
        if isinstance(part, click.Option) and not part.hidden:
            assert part.help, f"{name} {part.opts[0]}"
