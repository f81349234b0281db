"""How an application's file is loaded, and what is none."""

from __future__ import annotations

import collections
from pathlib import Path

import pytest

from statek.calls.application import Application
from statek.calls.offers import Offer
from statek.errors import AppUnusable


def loaded(path: Path, source: str) -> Offer:
    path.write_text(source)
    application = Application(path)
    application.load()
    return application.offer


def test_a_file_exports_tools_variables_and_classes(tmp_path: Path) -> None:
    source = "import collections\ndef add(a, b):\n    return a + b\n"
    source += "tools = [add]\nlocals = {'x': 1}\nclasses = [collections.Counter]\n"
    offer = loaded(tmp_path / "app.py", source)
    assert (offer.tools.names, dict(offer.variables)) == (("add",), {"x": 1})
    assert offer.classes == {collections.Counter}


def test_variables_alone_are_enough(tmp_path: Path) -> None:
    assert loaded(tmp_path / "app.py", "locals = {'x': 1}").tools.names == ()


def test_a_function_can_make_the_variables(tmp_path: Path) -> None:
    assert dict(loaded(tmp_path / "app.py", "def setup():\n    return {'x': 1}").variables) == {"x": 1}


def test_it_is_not_run_before_it_is_loaded_and_run_again_when_it_is_loaded_again(tmp_path: Path) -> None:
    file, log = tmp_path / "app.py", tmp_path / "log"
    file.write_text(f"with open({str(log)!r}, 'a') as log:\n    log.write('run ')\ntools = []\n")
    application = Application(file)
    assert not log.exists()
    application.load()
    application.load()
    assert log.read_text() == "run run "


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("tools = [", "SyntaxError"),
        ("tools = []\n\0", "null bytes"),
        ("import no_such_module", "line 1: ModuleNotFoundError"),
        ("\n1 / 0", "line 2: ZeroDivisionError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
        ("", "exports neither a list `tools` nor a dict `locals`"),
        ("tools = {}", "`tools` must be a list of functions"),
        ("tools = ['name']", "a function is needed"),
        ("locals = ['x']", "`locals` must be a dict"),
        ("setup = {'x': 1}", "`setup` must be a function"),
        (
            "locals = {}\ndef setup():\n    return {}",
            "`setup` must be a function that returns the variables, in the place",
        ),
        ("def setup():\n    1 / 0", "app.py cannot be set up: ZeroDivisionError"),
        ("def setup():\n    return ['x']", "`locals` must be a dict"),
        ("locals = {'_x': 1}", "no name for a variable"),
        ("locals = {'a b': 1}", "no name for a variable"),
        ("locals = {1: 1}", "no name for a variable"),
        ("def x(): pass\ntools = [x]\nlocals = {'x': 1}", "name of a tool and of a variable"),
        ("tools = []\nclasses = ['Counter']", "`classes` must be a list of classes"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused_with_the_reason(tmp_path: Path, source: str, reason: str) -> None:
    with pytest.raises(AppUnusable, match=reason):
        loaded(tmp_path / "app.py", source)


def test_a_file_that_is_not_there_or_is_no_python_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AppUnusable, match="no application file"):
        Application(tmp_path / "app.py")
    (tmp_path / "app.txt").write_text("tools = []")
    with pytest.raises(AppUnusable, match="no Python file"):
        Application(tmp_path / "app.txt")


class Thing:
    pass


def test_an_exported_object_is_known_by_its_place() -> None:
    first, second = Thing(), Thing()
    offer = Offer(variables={"one": first, "team": [1, {"second": second}]})
    assert offer.name_of(first) == "one"
    assert offer.name_of(second) == "team.1.0"
    assert offer.objects["team.1.0"] is second
    assert offer.name_of(Thing()) is None
