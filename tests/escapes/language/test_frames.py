"""Frames, code objects and tracebacks (CVE-2023-37271): a generator's frame leads to the host's globals."""

from __future__ import annotations

import pytest
from guest_program import check_contained, check_runs

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


@pytest.mark.parametrize("read", ["error.__traceback__", "getattr(error, '__trace' + 'back__')", "sys.exc_info()[2]"])
@pytest.mark.parametrize("step", ["tb_frame", "tb_next", "_GuestTraceback__lines"])
def test_what_stands_for_a_traceback_leads_nowhere(read: str, step: str) -> None:
    source = f"""
        import sys
        try:
            1 / 0
        except ZeroDivisionError as error:
            tb = {read}
            print(tb.tb_lineno, tb)
            print("reached", getattr(tb, "{step[:4]}" + "{step[4:]}"))
    """
    outcome = check_contained(source)
    assert outcome.output == "4 <traceback>\n"
    assert outcome.rules <= {"attribute.inspection", "attribute.private"} != set()


def test_a_traceback_of_the_hosts_own_frames_has_no_entries() -> None:
    source = """
        import json, traceback
        def parse(): json.loads("{")
        class Manager:
            def __enter__(self): return self
            def __exit__(self, kind, error, tb):
                for shown in (tb, error.__traceback__):
                    print([(entry.filename, entry.lineno, entry.name) for entry in traceback.extract_tb(shown)])
                traceback.print_tb(tb)
                return True
        with Manager():
            parse()
    """
    entries = "[('<batch 1>', 12, '<module>'), ('<batch 1>', 3, 'parse')]\n"
    assert check_runs(source).startswith(entries * 2 + '  File "<batch 1>", line 12, in <module>\n')


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
