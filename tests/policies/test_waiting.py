"""Does a guest that holds a value which is not there yet see that value wherever it uses it, and wait nowhere else?"""

from __future__ import annotations

import datetime
import textwrap
from collections.abc import Iterator

import pytest
from guest_program import RecordingHost

from statek_policies import Policy
from statek_policies.language import PolicyViolation, build_environment, compile_batch
from statek_policies.language.pending import FUTURES, pending, with_values

VALUES: dict[int, object] = {
    1: 5,
    2: "abc",
    3: [1, 2, 3],
    4: {"k": 1},
    5: (10, 20),
    6: 2.25,
    7: {1, 2},
    8: b"raw",
    9: ["a", "b"],
    10: datetime.timedelta(days=1),
    11: {"kind": "slot", "at": [9, 30]},
    12: (1, (2, 3)),
}


@pytest.fixture
def waited() -> Iterator[list[int]]:
    """List the futures whose values were waited for, in order."""
    numbers: list[int] = []

    def fetch(number: int) -> object:
        numbers.append(number)
        if number not in VALUES:
            raise TimeoutError(f"future {number} never came")
        return VALUES[number]

    FUTURES.fetch, before = fetch, FUTURES.fetch
    yield numbers
    FUTURES.fetch = before


def run(source: str) -> dict[str, object]:
    """Run a guest's source in which `later(n)` gives what stands for value n."""
    host = RecordingHost()
    environment = build_environment(Policy(), host)
    environment.globals["later"] = pending
    batch = compile_batch(textwrap.dedent(source).encode(), name="<batch 1>", policy=Policy(), futures=True)
    exec(batch.code, environment.globals)
    assert not host.violations
    return {**environment.globals, "printed": "".join(host.output)}


USES = {
    "later(1) + 1": 6,
    "1 + later(1)": 6,
    "'x' + later(2)": "xabc",
    "[0] + later(3)": [0, 1, 2, 3],
    "f'{later(1):>3}|{later(2)!r}'": "  5|'abc'",
    "later(2).upper()": "ABC",
    "later(4)['k']": 1,
    "[10, 20, 30, 40, 50, 60][later(1)]": 60,
    "'abcdefg'[1:later(1)]": "bcde",
    "isinstance(later(1), int)": True,
    "type(later(2)).__name__": "str",
    "later(1) == 5 and 5 == later(1)": True,
    "2 in later(3)": True,
    "later(2) in 'xabcx'": True,
    "later(1) not in {5: 'five'}": False,
    "{5: 'five'}[later(1)]": "five",
    "'%s and %s' % later(5)": "10 and 20",
    "'%d' % later(1)": "5",
    "'{}'.format(later(1))": "5",
    "', '.join(later(9))": "a, b",
    "'-'.join(['x', later(2)])": "x-abc",
    "'abcabc'.replace(later(2), '')": "",
    "str.upper(later(2))": "ABC",
    "len(later(3)), sum(later(3)), max(later(3)), sorted(later(3), reverse=True)": (3, 6, 3, [3, 2, 1]),
    "[n * 2 for n in later(3)]": [2, 4, 6],
    "[*later(3), *later(5)]": [1, 2, 3, 10, 20],
    "{**later(4), 'm': 2}": {"k": 1, "m": 2},
    "dict(**later(4))": {"k": 1},
    "-later(1), +later(1), ~later(1), abs(later(1))": (-5, 5, -6, 5),
    "2 ** later(1), later(1) ** 2, pow(later(1), 2, 7), divmod(later(1), 2)": (32, 25, 4, (2, 1)),
    "round(later(6), 1), int(later(6)), float(later(1))": (2.2, 2, 5.0),
    "'yes' if later(3) else 'no'": "yes",
    "not later(1)": False,
    "later(7) | {3}, {3} | later(7)": ({1, 2, 3}, {1, 2, 3}),
    "later(8).decode()": "raw",
    "later(8) + b'!'": b"raw!",
    "later(11)['at'][0]": 9,
    "hash(later(1)) == hash(5)": True,
    "list(map(str, [later(1)]))": ["5"],
    "sorted([3, later(1), 4])": [3, 4, 5],
    "(lambda value: value + 1)(later(1))": 6,
    "list(zip(later(3), later(9)))": [(1, "a"), (2, "b")],
    "1 < later(1) < 9": True,
    "later(1).__class__.__name__, type(later(2))": ("int", str),
    "'+'.join(text for text in [later(2), 'd'])": "abc+d",
    "list(map(str.upper, [later(2)])), sorted([later(2), 'B'], key=str.upper)": (["ABC"], ["abc", "B"]),
}


@pytest.mark.parametrize(("expression", "value"), USES.items())
def test_using_a_pending_value_gives_what_its_value_gives(waited: list[int], expression: str, value: object):
    assert run(f"found = {expression}")["found"] == value


MODULES = """
    import json, math, re, datetime
    found = [math.sqrt(later(1)), re.match("b|a", later(2)).group()]
    found += [json.dumps({"all": later(3)}), json.loads(later(2).join('""'))]
    when = datetime.date(2024, 2, 28) + later(10)
"""


def test_library_functions_in_c_get_the_value_itself(waited: list[int]):
    after = run(MODULES)
    assert after["found"] == [5**0.5, "a", '{"all": [1, 2, 3]}', "abc"]
    assert after["when"] == datetime.date(2024, 2, 29)


LAZY = """
    kept = later(1)
    also = kept
    pair = [kept, later(2)]
    table = {"later": kept}
    def passed(value, *more, named=None):
        return value
    class Box:
        def __init__(self, content):
            self.content = content
    box = Box(passed(kept, named=also))
    left, right = later(5)
"""


def test_assigning_keeping_and_passing_on_does_not_wait(waited: list[int]):
    run(LAZY)
    assert waited == []


def test_a_value_is_fetched_once_by_whatever_name_it_is_used(waited: list[int]):
    after = run(LAZY + "    total = also + kept + pair[0] + table['later'] + box.content\n")
    assert (after["total"], waited) == (25, [1])


def test_unpacked_elements_wait_when_they_are_used(waited: list[int]):
    after = run("""
        left, right = later(5)
        print("not yet")
        (first, (second, third)) = later(12)
        total = right - left + third
    """)
    assert (after["total"], waited) == (13, [12, 5])


@pytest.mark.parametrize(
    ("targets", "message"),
    [("a, b, c", "not enough values to unpack (expected 3, got 2)"), ("[a]", "too many values to unpack (expected 1)")],
)
def test_elements_of_another_number_are_the_error_of_python_at_their_first_use(
    waited: list[int], targets: str, message: str
):
    after = run(f"""
        {targets} = later(5)
        try:
            found = a + 1
        except ValueError as error:
            found = str(error)
    """)
    assert after["found"] == message


def test_a_starred_target_takes_the_value_apart_at_once(waited: list[int]):
    after = run("first, *rest = later(3)\n")
    assert (after["first"], after["rest"], waited) == (1, [2, 3], [3])


MATCH = """
    def kind(value):
        match value:
            case {"kind": "slot", "at": [hour, minute]}:
                return hour, minute
            case [first, *rest] if first:
                return "list", rest
            case int():
                return "number"
            case "abc" | "def":
                return "text"
    found = [kind(later(11)), kind(later(3)), kind(later(1)), kind(later(2))]
"""


def test_a_match_statement_sees_the_value(waited: list[int]):
    assert run(MATCH)["found"] == [(9, 30), ("list", [2, 3]), "number", "text"]


def test_changing_the_value_in_place_is_seen_by_every_name(waited: list[int]):
    VALUES[3] = [1, 2, 3]
    after = run("""
        items = later(3)
        also = items
        items.append(4)
        items[0] = "first"
        del also[1]
        shown = list(also)
    """)
    assert after["shown"] == ["first", 3, 4]
    VALUES[3] = [1, 2, 3]


def test_a_wait_that_fails_raises_at_the_use_and_may_be_handled(waited: list[int]):
    after = run("""
        value = later(99)
        try:
            value + 1
        except TimeoutError as error:
            handled = str(error)
    """)
    assert after["handled"] == "future 99 never came"


def test_super_and_functions_of_the_guest_work_beside_pending_values(waited: list[int]):
    after = run("""
        class Base:
            def __init__(self, amount):
                self.amount = amount
        class More(Base):
            def __init__(self, amount):
                super().__init__(amount)
            def __call__(self, factor=2):
                return self.amount * factor
        found = More(later(1))(factor=later(1))
    """)
    assert after["found"] == 25


@pytest.mark.parametrize("name", ["number", "parent", "value", "index", "count"])
def test_the_fields_of_the_stand_in_cannot_be_read(waited: list[int], name: str):
    after = run(f"""
        try:
            found = later(1).{name}
        except AttributeError as error:
            found = str(error)
    """)
    assert after["found"] == f"'int' object has no attribute '{name}'"


def test_storing_an_attribute_is_for_the_value_to_take_or_refuse(waited: list[int]):
    with pytest.raises(AttributeError, match="'int' object has no attribute 'total'"):
        run("later(1).total = 1\n")
    with pytest.raises(PolicyViolation, match="is internal"):
        run("later(1)._total = 1\n")


def test_containers_that_a_library_function_looks_through_stay_what_they_are(waited: list[int]):
    after = run("""
        inner, pairs = [later(1)], {(1, 2)}
        rows = [inner, pairs, {"k": later(2)}]
        list(map(len, rows))
        inner.append("mine")
        pairs.add((3, 4))
        found = [rows[0] is inner, rows[1] is pairs, rows]
    """)
    assert after["found"] == [True, True, [[5, "mine"], {(1, 2), (3, 4)}, {"k": "abc"}]]


def test_what_holds_itself_or_is_shared_many_times_is_looked_through_once(waited: list[int]):
    value: list[object] = [pending(1)]
    value.append(value)
    for _ in range(100):
        value = [value, value]
    with_values(value, depth=200)
    assert waited == [1]
    while isinstance(value[0], list):
        value = value[0]
    assert value[0] == 5
    assert value[1] is value


def test_keys_that_are_pending_become_what_they_stand_for_in_their_places(waited: list[int]):
    table = {"first": 1, pending(2): pending(1), "last": (pending(1), 2)}
    assert with_values(table, depth=3) is table
    assert [(type(key), key, value) for key, value in table.items()] == [
        (str, "first", 1),
        (str, "abc", 5),
        (str, "last", (5, 2)),
    ]
    assert type(table["abc"]) is int
