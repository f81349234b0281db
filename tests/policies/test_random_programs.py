"""Random programs: whatever compiles has only guarded stores and allowed names, and the two looks agree."""

from __future__ import annotations

import dis
import types
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from statek_policies import Policy
from statek_policies.language import (
    CompiledBatch,
    SourceInvalid,
    SourceRefused,
    SourceTooLarge,
    compile_batch,
)
from statek_policies.language import scan as scanning
from statek_policies.language.nodes import NAME
from statek_policies.language.words import INSPECTION

POLICY = Policy()
PROGRAMS = [path.read_text("utf-8") for path in sorted((Path(__file__).parent / "programs").glob("*.guest"))]
SETTINGS = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

FORBIDDEN = INSPECTION | {
    "__globals__",
    "__subclasses__",
    "__bases__",
    "__code__",
    "__builtins__",
    "__import__",
    "__self__",
}
NAMES = ["x", "y", "self", "_p", "__q", "format", "obj", "now", "print", "math", "__name__", "__class__", "__globals__"]
ATTRIBUTES = [
    "a",
    "_b",
    "__c",
    "format",
    "obj",
    "now",
    "mro",
    "append",
    "__class__",
    "__dict__",
    "__globals__",
    "gi_frame",
]

names = st.sampled_from(NAMES)
attributes = st.sampled_from(ATTRIBUTES)


def _combined(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    pair = st.tuples(inner, inner)
    return st.one_of(
        st.builds("{}.{}".format, inner, attributes),
        st.builds("({0} if {1} else {0})".format, inner, inner),
        st.builds("{}[{}]".format, inner, inner),
        pair.map("({0[0]} + {0[1]})".format),
        pair.map("({0[0]} and {0[1]})".format),
        pair.map("{0[0]}({0[1]}, k={0[1]})".format),
        pair.map("[{0[0]} for x in {0[1]}]".format),
        pair.map("(lambda x, _p={0[0]}: {0[1]})".format),
        st.builds("(y := {})".format, inner),
        st.builds("f'{{{}}}'".format, st.builds("{}.{}".format, names, attributes)),
        st.builds("({}, *{})".format, inner, inner),
    )


expressions = st.recursive(st.one_of(names, st.sampled_from(["1", "'s'", "None"])), _combined, max_leaves=6)
targets = st.one_of(
    names,
    st.builds("({}).{}".format, expressions, attributes),
    st.builds("({})[{}]".format, expressions, expressions),
)
simple = st.one_of(
    st.builds("{} = {}".format, targets, expressions),
    st.builds("{} += {}".format, targets, expressions),
    st.builds("{}: int = {}".format, targets, expressions),
    st.builds("{}, {} = {}".format, targets, targets, expressions),
    st.builds("del {}".format, targets),
    st.builds("return {}".format, expressions),
    st.builds("yield {}".format, expressions),
    st.builds("import math as {}".format, names),
    st.builds("global {}".format, names),
    expressions,
)


def _indented(lines: list[str]) -> str:
    return "\n".join("    " + line for text in lines for line in text.split("\n"))


def _blocks(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    body = st.lists(inner, min_size=1, max_size=3).map(_indented)
    return st.one_of(
        st.builds("def {}(self, {}=1):\n{}".format, names, names, body),
        st.builds("class {}:\n{}".format, names, body),
        st.builds("for {} in {}:\n{}".format, targets, expressions, body),
        st.builds("with {} as {}:\n{}".format, expressions, targets, body),
        st.builds("if {}:\n{}\nelse:\n{}".format, expressions, body, body),
        st.builds("while {}:\n{}".format, expressions, body),
        st.builds("try:\n{}\nexcept {} as {}:\n{}\nfinally:\n{}".format, body, expressions, names, body, body),
        st.builds("match {}:\n    case {}({}={}):\n{}".format, names, names, attributes, names, body.map(_indent_once)),
    )


def _indent_once(text: str) -> str:
    return _indented([text])


statements = st.recursive(simple, _blocks, max_leaves=6)
programs = st.lists(statements, min_size=1, max_size=4).map("\n".join)


def _verdict(source: bytes) -> CompiledBatch | SourceRefused | SourceInvalid | SourceTooLarge:
    try:
        return compile_batch(source, name="<random>", policy=POLICY)
    except (SourceRefused, SourceInvalid, SourceTooLarge) as verdict:
        return verdict


def _codes(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for const in code.co_consts:
        if isinstance(const, types.CodeType):
            yield from _codes(const)


def _check_batch(batch: CompiledBatch) -> None:
    for code in _codes(batch.code):
        assert not FORBIDDEN & {*code.co_names, *code.co_varnames, *code.co_cellvars}
        _check_stores(code)
    assert _found_without_glances(batch.code) == []


def _found_without_glances(code: types.CodeType) -> list[object]:
    """What a long look at all of the code finds, where the scan is content with a glance at most of it."""
    with mock.patch.object(scanning, "is_plain", return_value=False):
        return [*scanning.scan(code)]


def _check_stores(code: types.CodeType) -> None:
    """Count: every store of an attribute is preceded, in its own code object, by a guard's call of its own."""
    guards = stores = 0
    for step in dis.get_instructions(code):
        if step.opname == "KW_NAMES" and code.co_consts[step.arg or 0] == (NAME,):
            guards += 1
        if step.opname in ("STORE_ATTR", "DELETE_ATTR"):
            stores += 1
            assert stores <= guards, code


@given(programs)
@SETTINGS
def test_what_compiles_is_guarded(source: str) -> None:
    match _verdict(source.encode()):
        case CompiledBatch() as batch:
            _check_batch(batch)
        case SourceRefused() as refused:
            assert not {found.rule for found in refused.violations if found.rule.startswith("bytecode.")}, source


@given(
    st.one_of(st.binary(max_size=200), st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
)
@SETTINGS
def test_any_bytes_get_a_verdict(source: bytes) -> None:
    _verdict(source)


@given(st.sampled_from(PROGRAMS), st.data())
@SETTINGS
def test_a_damaged_program_gets_a_verdict(program: str, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(program)))
    end = data.draw(st.integers(start, min(len(program), start + 40)))
    put = data.draw(
        st.sampled_from(["", "\0", ".__globals__", "@", "(" * 50, "\n    ", "\u2028", "\\", "'''", "async ", "*"])
    )
    match _verdict((program[:start] + put + program[end:]).encode()):
        case CompiledBatch() as batch:
            _check_batch(batch)
        case SourceRefused() as refused:
            assert not {found.rule for found in refused.violations if found.rule.startswith("bytecode.")}


@given(st.sampled_from(PROGRAMS))
@settings(max_examples=10, deadline=None)
def test_compiling_again_gives_equal_code_at_equal_positions(program: str) -> None:
    first, second = (compile_batch(program.encode(), name="<batch>", policy=POLICY) for _ in range(2))
    assert first == second
    assert [code.co_code for code in _all_codes(first)] == [code.co_code for code in _all_codes(second)]


def _all_codes(batch: CompiledBatch) -> list[types.CodeType]:
    return list(_codes(batch.code))
