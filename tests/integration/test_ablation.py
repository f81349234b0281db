"""scripts/ablate: a few escapes in a few configurations, the rows of its page, and no way to its switches."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))

from ablation import document, field, matrix, native, sources, trials, words  # noqa: E402
from ablation.configurations import ALL_OF_THE_KERNEL, EVERYTHING, NOTHING, alone, without  # noqa: E402

from statek_policies import LAYERS  # noqa: E402

DISTRIBUTIONS = {
    "protocol": "statek_protocol",
    "sandbox_policies": "statek_policies",
    "executor": "statek_executor",
    "scheduler": "statek",
}
NATIVE = ("read anybody's file", "reach a service on the host's loopback", "kill a neighbour", "outlive the supervisor")
GUESTS = ("open()", "a computed attribute", "what the last guest changed")


@pytest.fixture(scope="module")
def account() -> Iterator[trials.Account]:
    with trials.accounts() as accounts:
        yield accounts[0]


def test_native_escapes_are_real_and_held_with_and_without_the_filter(account: trials.Account) -> None:
    whole = ALL_OF_THE_KERNEL
    configurations = (NOTHING, whole, alone("seccomp", root=account.root), without("seccomp", whole))
    ends = trials.run(account, "native", configurations, titles=NATIVE).ends
    assert set(ends["nothing"].items()) == {(title, "out") for title in NATIVE}
    for configuration in configurations[1:]:
        assert set(ends[configuration.name].items()) == {(title, "held") for title in NATIVE}, configuration


def test_guest_programs_are_real_and_held_with_and_without_the_language(account: trials.Account) -> None:
    unguarded = without("compile", without("runtime"))
    ends = trials.run(account, "guests", (NOTHING, EVERYTHING, unguarded), titles=GUESTS).ends
    assert set(ends["nothing"].items()) == {(title, "out") for title in GUESTS}
    for configuration in (EVERYTHING, unguarded):
        assert set(ends[configuration.name].items()) == {(title, "held") for title in GUESTS}, configuration


def test_words_are_real_and_held_where_the_supervisor_believes_everything() -> None:
    configurations = [
        found for found in field.configurations() if found.name in ("nothing", "everything but supervisor")
    ]
    ends = field.run(configurations, titles=[words.ALL[0].title]).ends
    assert [[*found.values()] for found in ends.values()] == [["out"], ["held"]]


def test_the_page_has_a_row_for_each_escape() -> None:
    found = document.rows((ROOT / "docs" / "ablation.md").read_text())
    natives = {escape.title for escape in native.ALL} | {native.OUTLIVE.title}
    kinds = {"Native": natives, "Guest": set(sources.PROGRAMS), "What": {escape.title for escape in words.ALL}}
    for heading, titles in found.items():
        expected = kinds[heading.split()[0]]
        assert expected - titles <= {"become root"}, heading  # only root can plant what that needs
        assert titles <= expected, heading
    assert len(found) == 5


def test_the_page_lets_no_escape_hang_on_one_layer_but_those_that_it_gives_reasons_for() -> None:
    hanging = {
        line.split("|")[1].strip()
        for line in (ROOT / "docs" / "ablation.md").read_text().partition(document.BEGIN)[2].splitlines()
        if matrix.HANGS in line
    }
    assert hanging <= set(matrix.ACCEPTED)


# no way to the switches


def sources_of_the_product() -> Iterator[tuple[Path, ast.Module]]:
    for folder, package in DISTRIBUTIONS.items():
        for path in (ROOT / folder / package).rglob("*.py"):
            yield path, ast.parse(path.read_text())


def test_nothing_of_it_is_installed() -> None:
    for folder, package in DISTRIBUTIONS.items():
        settings = tomllib.loads((ROOT / folder / "pyproject.toml").read_text())
        assert settings["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == [package]
    for path, tree in sources_of_the_product():
        names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert not any(name.split(".")[0] == "ablation" for name in names), path


def test_the_product_leaves_out_no_layer_by_itself() -> None:
    """`without` has a default that is empty, and whoever hands it on got it from the caller of the launcher's main.

    Nobody outside of the executor can: no other package of the product may import it.
    """
    for path, tree in sources_of_the_product():
        for node in ast.walk(tree) if "statek_executor" in path.parts else ():
            if isinstance(node, ast.keyword) and node.arg == "without":
                assert ast.unparse(node.value) == "without", (path, node.lineno)
            if path.parent.name == "zygote" and isinstance(node, ast.Call) and getattr(node.func, "id", "") == "main":
                assert not [*node.args, *node.keywords], (path, node.lineno)


def test_the_launcher_takes_nothing_but_the_number_of_its_control_socket() -> None:
    for arguments in (["3", "seccomp"], ["--without=seccomp", "3"], ["seccomp,landlock", "3"], []):
        command = [sys.executable, "-s", "-P", "-m", "statek_executor.zygote", *arguments]
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 2, arguments
        assert "with the number of a control socket" in done.stderr


@pytest.mark.parametrize("command", [["statek_executor"], ["statek"], *(["statek", c] for c in ("exec", "scheduler"))])
def test_no_option_names_a_layer(command: list[str]) -> None:
    line = [sys.executable, "-P", "-m", *command, "--help"]
    done = subprocess.run(line, capture_output=True, text=True, timeout=60, check=True)
    options = {word for word in done.stdout.replace(",", " ").split() if word.startswith("--")}
    assert not any(word in option for option in options for word in (*LAYERS, "without", "layer", "ablat"))


def test_no_variable_reaches_the_zygote_and_none_is_read_by_what_stands_in_the_wall() -> None:
    """The launcher is started with one variable of our own making; behind it nobody asks for any."""
    within = ("isolation", "zygote", "interpreter", "workspace", "supervisor")
    for path, tree in sources_of_the_product():
        if not any(part in within for part in path.parts):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in ("environ", "environb", "getenv", "getenvb"):
                assert path.name in ("kernel.py", "probes.py"), (path, node.lineno)  # cleared; counted
