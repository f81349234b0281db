"""Names that are not what they seem (RestrictedPython 7.2): a check sees one text, Python another."""

from __future__ import annotations

import pytest
from guest_program import check_contained

LIAR = """
    class Liar(str):
        def startswith(self, *a): return False
        def endswith(self, *a): return False
        def isidentifier(self): return True
        def __eq__(self, other): return True
        def __hash__(self): return hash("real")
        def __str__(self): return "real"
    class C: pass
    c = C()
    {attempt}
"""


@pytest.mark.parametrize(
    "attempt",
    [
        "print('reached', getattr(len, Liar('__self__')))",
        "setattr(C, Liar('__match_args__'), ('__globals__',)); print('reached')",
        "delattr(C, Liar('__doc__')); print('reached')",
        "import operator; print('reached', operator.attrgetter(Liar('__self__'))(len))",
        "import operator; print('reached', operator.methodcaller(Liar('__dir__'))(len))",
        "vars(c)[Liar('__class__')] = int; print('reached')",
    ],
)
def test_a_subclass_of_str_is_no_attribute_name(attempt: str) -> None:
    assert type(check_contained(LIAR.format(attempt=attempt)).error) is TypeError


@pytest.mark.parametrize("name", ["a b", "@write", "", "1x", "x.__class__", "x\\0y", "\\ud800"])
def test_a_name_that_no_source_can_spell_is_refused(name: str) -> None:
    check_contained(f"print('reached', getattr(len, '{name}'))", "attribute.inspection")
    check_contained(f"class C: pass\nsetattr(C, '{name}', 1)\nprint('reached')", "attribute.dunder")


def test_a_dotted_path_is_checked_at_every_step() -> None:
    check_contained(
        "import operator\nprint('reached', operator.attrgetter('real.__class__.__base__')(1))", "attribute.dunder"
    )
