"""Exceptions (CVE-2024-47532): they carry objects that a guard or a facade kept to itself."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs, run_guest


@pytest.mark.parametrize(
    "read", ["e.obj", "getattr(e, 'o' + 'bj')", "operator.attrgetter('obj')(e)", "AttributeError.obj", "Own.peek(e)"]
)
def test_an_attribute_error_does_not_give_its_object(read: str) -> None:
    source = f"""
        import operator
        class Own(AttributeError):
            def peek(self): return self.obj
        try:
            len.nothing
        except AttributeError as e:
            print("reached", {read})
    """
    check_contained(source, "attribute.exception")


def test_super_does_not_give_it_either() -> None:
    source = """
        class Own(AttributeError):
            def peek(self): return super().obj
        print("reached", Own("x").peek())
    """
    check_contained(source, "attribute.exception")


def test_an_own_attribute_called_obj_is_ordinary() -> None:
    assert check_runs("class C:\n    def __init__(self): self.obj = 3\nc = C(); c.obj += 1\nprint(c.obj)") == "4\n"


@pytest.mark.parametrize("name", ["__context__", "__reduce__", "__setstate__"])
def test_what_led_to_an_exception_is_not_read(name: str) -> None:
    check_contained(f"try: 1/0\nexcept Exception as e: print('reached', e.{name})", "attribute.dunder")


def test_the_cause_that_a_guest_gave_is_read() -> None:
    source = """
        try:
            raise ValueError("a") from KeyError("b")
        except ValueError as e:
            print(repr(e.__cause__))
    """
    assert check_runs(source) == "KeyError('b')\n"


@pytest.mark.parametrize("clause", ["except Exception", "except PermissionError", "except BaseException", "except"])
def test_a_swallowed_refusal_was_reported_all_the_same(clause: str) -> None:
    outcome = run_guest(
        f"x = getattr\ntry:\n    x(1, '__class' + '_getitem')\n    x(len, '__self__')\n{clause}:\n    pass\n"
    )
    assert "attribute.dunder" in outcome.rules or "attribute.private" in outcome.rules
    assert outcome.lines[-1] in (3, 4)


def test_except_star_is_refused() -> None:
    check_contained("try:\n    1/0\nexcept* ValueError:\n    print('reached')", "statement.except_star")


def test_a_guest_traceback_names_no_host_file() -> None:
    source = """
        import json, traceback
        def read(): return json.loads("{")
        try:
            read()
        except ValueError:
            traceback.print_exc()
    """
    shown = check_runs(source)
    assert 'File "<batch 1>", line 3, in read' in shown
    assert "JSONDecodeError" in shown
    assert ".py" not in shown
