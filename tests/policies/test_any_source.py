"""Any bytes as source: a verdict in time, never a crash of the compile path and never an error of another kind."""

from __future__ import annotations

import resource
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statek_policies import Policy
from statek_policies.language import SourceInvalid, SourceRefused, SourceTooLarge, compile_batch

POLICY = Policy()
SIZE = POLICY.limits.source_bytes
VERDICT_SECONDS = 1.0
"""Of processor time: what a machine of its own needs, whatever else runs on this one."""


def _nested(before: str, after: str = "", core: str = "1") -> str:
    """Nest as deeply as a source can be long."""
    times = (SIZE - len(core) - 10) // len(before + after)
    return before * times + core + after * times


def _finally_in_finally(times: int, indent: str = "") -> str:
    if not times:
        return f"{indent}pass\n"
    return f"{indent}try: pass\n{indent}finally:\n" + _finally_in_finally(times - 1, indent + " ")


def _indented(line: str, depth: int) -> str:
    return "".join(" " * level + line + "\n" for level in range(depth)) + " " * depth + "pass"


HOSTILE = {
    "open brackets": "(" * (SIZE - 1),
    "brackets": _nested("[", "]"),
    "minus": "x=" + _nested("-"),
    "not": "x=" + _nested("not "),
    "attributes": "x" + ".a" * (SIZE // 2 - 1),
    "private attributes": "x" + "._a" * (SIZE // 3 - 1),
    "guarded attributes": "x" + ".format" * 6_000,
    "calls": "x" + "()" * (SIZE // 2 - 1),
    "subscripts": "x" + "[0]" * (SIZE // 3 - 1),
    "slices": "x[" + ":," * (SIZE // 2 - 3) + "]",
    "sums": "x=" + _nested("1+"),
    "powers": "x=" + _nested("1**"),
    "comparisons": "x=" + _nested("1<"),
    "lambdas": "x=" + _nested("lambda:"),
    "conditions": "x=" + _nested("1 if 1 else "),
    "branches": "if a: pass\n" + "elif a: pass\n" * (SIZE // 13 - 2),
    "decorators": "@a\n" * (SIZE // 3 - 8) + "def f(): pass",
    "assignments": _nested("a="),
    "walruses": "(" + _nested("(a:=", ")") + ")",
    "awaits": "x=" + _nested("await ", core="y"),
    "literal texts": "x=" + _nested("'a' ", core="''"),
    "fields": "x=f'" + "{a}" * (SIZE // 3 - 4) + "'",
    "long fields": "x=f'" + ("{" + "a" * 30 + "}") * (SIZE // 32 - 4) + "'",
    "nested fields": "x=" + "f'{" * 200 + "1" + "}'" * 200,
    "comprehensions": "x=[a " + "for a in b " * (SIZE // 11 - 2) + "]",
    "alternatives": "match x:\n case " + _nested("1|") + ": pass",
    "patterns": "match x:\n case " + "[" * 5_000 + "]" * 5_000 + ": pass",
    "imports": "import " + "math," * (SIZE // 5 - 3) + "math",
    "imported names": "from math import " + "pi," * (SIZE // 3 - 8) + "pi",
    "statements": "1;" * (SIZE // 2 - 1),
    "lines": "1\n" * (SIZE // 2 - 1),
    "empty lines": "\n" * SIZE,
    "dots": "from " + "." * (SIZE - 20) + " import a",
    "stars": "x=" + _nested("*", core="y"),
    "parameters": "def f(" + ",".join(f"a{number}" for number in range(20_000)) + "): pass",
    "functions": _indented("def f():", 99),
    "loops": _indented("for x in y:", 25),
    "classes": _indented("class f:", 99),
    "what is done finally": _finally_in_finally(19),
    "ways out": "for x in y:\n try:\n" + "  if x: continue\n" * 1_000 + " finally:\n" + "  a\n" * 1_000,
    "ways out of what is done finally": (
        "for x in y:\n try:\n  try: pass\n  finally:\n" + "   if x: break\n" * 900 + " finally:\n" + "  a\n" * 900
    ),
    "a module's name": "import " + "a." * (SIZE // 2 - 10) + "a",
    "a name in a module with a name": "from " + "a." * (SIZE // 2 - 20) + "a import b",
    "a module's name over lines": "import " + "a\\\n." * (SIZE // 4 - 10) + "a",
    "managers": "with " + ",".join(["a as b"] * 40) + ": pass",
    "a power of ten": "x = 10 ** 10 ** 8",
    "a shift": "x = 1 << 10 ** 10",
    "a long text": "x = 'a' * 10 ** 10",
    "a long tuple": "x = (1,) * 10 ** 9",
    "products": "x = " + "*".join(["9" * 300] * 500),
    "a wide field": "x = '%1000000000d' % 1",
    "a number": "x = " + "9" * (SIZE - 10),
    "a hexadecimal number": "x = 0x" + "f" * (SIZE - 10),
    "an exponent": "x = 1e" + "9" * (SIZE - 10),
    "a name": "a" * (SIZE - 4) + "=1",
    "a character's name": "x='\\N{" + "A" * (SIZE - 20) + "}'",
    "an open text": "x='''" + "a\n" * (SIZE // 2 - 4),
    "a form feed": "\f\fx = 1\f",
    "mixed line ends": "x=1\ry=2\r\nz=3",
    "mixed indentation": "if 1:\n\tx\n        y",
    "two byte order marks": "\ufeff\ufeffx = 1",
    "utf-7": "# coding: utf-7\n+AHgAPQAx-",
    "utf-16": "# coding: utf-16\nx = 1",
    "rot13": "# coding: rot13\nx = 1",
}


def _verdict(source: bytes, policy: Policy = POLICY) -> str:
    try:
        compile_batch(source, name="<batch 1>", policy=policy)
    except (SourceRefused, SourceInvalid, SourceTooLarge) as verdict:
        return type(verdict).__name__
    return "compiled"


@pytest.mark.parametrize("kind", HOSTILE)
def test_what_is_made_to_be_hard_gets_its_verdict_in_time(kind: str) -> None:
    source = HOSTILE[kind].encode()[:SIZE]
    assert any(_processor_seconds(source) < VERDICT_SECONDS for _attempt in range(3))


def _processor_seconds(source: bytes) -> float:
    began = time.process_time()
    _verdict(source)
    return time.process_time() - began


def test_nothing_large_is_made_while_a_source_is_compiled() -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for kind in ("a power of ten", "a shift", "a long text", "a long tuple", "products", "a wide field"):
        _verdict(HOSTILE[kind].encode())
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024


def test_eight_megabytes_are_refused_without_a_look() -> None:
    for data in (b"(" * 8_000_000, b"\xff" * 8_000_000, b"\n" * 8_000_000):
        began = time.process_time()
        assert _verdict(data) == "SourceTooLarge"
        assert time.process_time() - began < 0.1


def test_an_import_of_many_names_counts_what_it_becomes() -> None:
    assert _verdict(("import " + ",".join(["math"] * 10_000)).encode()) == "SourceTooLarge"


def test_a_finally_clause_counts_what_it_becomes() -> None:
    ways_out = "for x in y:\n try:\n" + "  if x: continue\n" * 300 + " finally:\n" + "  a\n" * 300
    assert _verdict(ways_out.encode()) == _verdict(_finally_in_finally(15).encode()) == "SourceTooLarge"
    assert _verdict(_finally_in_finally(6).encode()) == "compiled"
    assert _verdict(ways_out.replace("continue", "pass").encode()) == "compiled"


def test_numbers_and_prose_after_a_from_are_no_name() -> None:
    assert _verdict(f"x = '''from {'1.5 a. ' * 500}'''".encode()) == "compiled"


def test_a_cookie_does_not_change_how_a_source_is_read() -> None:
    for name in ("utf-7", "utf-16", "rot13"):
        assert _verdict(HOSTILE[name].encode()) in ("compiled", "SourceInvalid")
    assert _verdict(b"# coding: utf-7\nx = 1 +AHg-") == "SourceInvalid"


WORDS = """
( ) [ ] { } : ; , . = == := -> @ * ** ~ ! $ ? \\ ' " ''' f' rb' # 1e999 0x 1_0_ 9j ... lambda def class if else async
await match case except* yield nonlocal global __class__ __import__
"""
BLANKS = ["\n", "\r", "\t", "\f", "\0", "\ufeff", "\u2028", "\U000e0001"]
PIECES = st.sampled_from(WORDS.split() + BLANKS)


@given(st.lists(st.one_of(PIECES, st.binary(max_size=4).map(lambda data: data.decode("latin-1"))), max_size=60))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_pieces_of_programs_in_any_order_get_a_verdict(pieces: list[str]) -> None:
    for joint in ("", " ", "\n"):
        _verdict(joint.join(pieces).encode("utf-8", "surrogatepass"))


@given(st.text(alphabet="()[]{}'\"f:=\\\n #", max_size=400))
@settings(max_examples=200, deadline=None)
def test_quotes_and_brackets_get_a_verdict(text: str) -> None:
    _verdict(text.encode())
