"""Frames, code objects and tracebacks (CVE-2023-37271): a generator's frame leads to the host's globals."""

from __future__ import annotations

import pytest
from guest_program import check_contained

from statek_policies.language.words import INSPECTION

GENERATOR = """
    def walk():
        yield frame[0]
    frame = [None]
    g = walk()
    frame[0] = {}
    print("reached", next(g))
"""


@pytest.mark.parametrize("read", ["g.gi_frame", "getattr(g, 'gi_' + 'frame')", "(x for x in ()).gi_frame.f_back"])
def test_a_generator_does_not_give_its_frame(read: str) -> None:
    check_contained(GENERATOR.format(read), "attribute.inspection")


@pytest.mark.parametrize("name", sorted(INSPECTION))
def test_no_attribute_of_frames_and_code_is_read_by_any_route(name: str) -> None:
    check_contained(f"print('reached', print.{name})", "attribute.inspection")
    check_contained(f"print('reached', getattr(print, '{name}'))", "attribute.inspection")
    check_contained(f"import operator\nprint('reached', operator.attrgetter('{name}')(print))", "attribute.inspection")
    check_contained(f"match print:\n    case object({name}=x): print('reached')", "match.attribute")


def test_a_traceback_is_not_read_from_an_exception() -> None:
    source = """
        try:
            1 / 0
        except ZeroDivisionError as error:
            print("reached", getattr(error, "__trace" + "back__"))
    """
    check_contained(source, "attribute.dunder")


def test_an_exit_handler_gets_a_traceback_that_it_cannot_open() -> None:
    source = """
        class Manager:
            def __enter__(self): return self
            def __exit__(self, kind, error, tb):
                print("reached", tb.tb_frame.f_globals)
        with Manager():
            1 / 0
    """
    check_contained(source, "attribute.inspection")
