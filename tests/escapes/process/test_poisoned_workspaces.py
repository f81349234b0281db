"""A workspace that native code wrote: whoever reads it next is not the worse for it, whatever it claims to hold."""

from __future__ import annotations

import pytest
from battlefields import NATIVE, Battlefield

POISON = """
from statek_executor.workspace import Definitions, encode
class Nothing:
    def reference(self, obj): return None
written = encode({NAME: 7}, definitions=Definitions({}, None), references=Nothing())
attack.finish(snapshot=Snapshot(1, (Segment(1, written.data, ()),), (), ()))
os._exit(0)  # so that the next batch gets an interpreter of its own
"""


def poisoned(battlefield: Battlefield, name: str, honest: str) -> dict[str, object]:
    """Let native code leave a variable of that name, then run an honest batch of the same job."""
    first = battlefield.site.write(f"{NATIVE}NAME = {name!r}\n{POISON}")
    return battlefield.site.exec("--json", str(first), source=honest).json


def test_a_plain_variable_is_read_back(battlefield: Battlefield) -> None:
    assert poisoned(battlefield, "x", "print(x)")["console"] == "7\n"


@pytest.mark.parametrize("name", ["@write", "@private", "@load", "__builtins__", "__name__", "a b", ""])
def test_a_variable_that_no_source_can_spell_shadows_no_guard(battlefield: Battlefield, name: str) -> None:
    result = poisoned(battlefield, name, "print('ran')")
    assert (result["outcome"], result["console"]) == ("failed", ""), result
    assert "a name that no variable can have" in str(result["error"]), result
    battlefield.nobody_noticed()
