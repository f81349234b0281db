"""Is what cannot be kept named, alone, and does its placeholder say so when it is touched?"""

from __future__ import annotations

import pytest
from tests.executor.workspace.processes import Process

from statek_executor.workspace import Decoded, Lost, TransientValueError, lose

KEPT = "first = [1]\nlast = {'k': first}\n"


def run(source: str) -> tuple[dict[str, str], Process]:
    """Run a batch, continue elsewhere, and give what was named transient."""
    process = Process()
    process.run(KEPT + source)
    named = {one.name: one.reason for one in process.encode().transient}
    successor = process.successor()
    assert successor.eval("first == [1] and last['k'] is first")
    return named, successor


@pytest.mark.parametrize(
    ("source", "name", "reason"),
    [
        ("g = (i for i in first)", "g", "a live generator"),
        ("g = iter(first)", "g", "a live iterator"),
        ("g = zip(first, first)", "g", "a live iterator"),
        ("import itertools\ng = itertools.count()", "g", "a live iterator"),
        ("import re\ng = re.match('a', 'a')", "g", "the match of a pattern"),
        ("box = {'a': [0, (1, enumerate(first))]}", 'box["a"][1][1]', "a live iterator"),
        ("box = {(i for i in first): 1}", "box[key generator]", "a live generator"),
        ("class C:\n    pass\nc = C()\nc.deep = [iter(first)]", "c.deep[0]", "a live iterator"),
        ("class C:\n    shared = iter(first)", "C.shared", "a live iterator"),
        ("def f(x=iter(first)):\n    return x", "f[0]", "a live iterator"),
        ("def outer():\n    held = iter(first)\n    return lambda: held\nf = outer()", "f.held", "a live iterator"),
        ("import functools\nf = functools.partial(print, iter(first))", "f[0]", "a live iterator"),
        ("import io\ng = io.StringIO()\ng.close()", "g", "it is closed"),
        (
            "from datetime import datetime, tzinfo\nclass Z(tzinfo):\n    pass\ng = [datetime(2024, 1, 1, tzinfo=Z())]",
            "g (somewhere in it)",
            "zone",
        ),
    ],
)
def test_each_is_named_with_its_place_and_everything_else_is_kept(source: str, name: str, reason: str) -> None:
    named, _ = run(source)
    assert list(named) == [name]
    assert reason in named[name]


def test_a_variable_that_was_not_kept_says_so_however_it_is_used() -> None:
    _, process = run("g = (i for i in first)")
    for use in (
        "next(g)",
        "g.send",
        "list(g)",
        "len(g)",
        "g + 1",
        "g == 1",
        "bool(g)",
        "g()",
        "str(g)",
        "f'{g}'",
        "g[0]",
    ):
        with pytest.raises(TransientValueError, match="g held a generator, which is not kept between batches"):
            process.eval(use)


def test_a_container_with_a_placeholder_can_be_used_and_shown() -> None:
    _, process = run("box = {'good': 1, 'g': iter(first)}")
    process.run("print(box)\nprint(box['good'])\nbox['g'] = 2\nprint(box)")
    assert process.host.console.splitlines() == [
        "{'good': 1, 'g': <lost: box[\"g\"] held a list_iterator (a live iterator)>}",
        "1",
        "{'good': 1, 'g': 2}",
    ]


def test_guest_code_can_catch_the_error_and_compute_the_value_again() -> None:
    _, process = run("g = iter(first)")
    process.run("try:\n    value = next(g)\nexcept RuntimeError:\n    value = next(iter(first))\nprint(value)")
    assert process.host.console == "1\n"


def test_one_lost_value_at_two_places_is_one_placeholder_and_is_named_once() -> None:
    named, process = run("g = iter(first)\nh = [g, g]")
    assert list(named) == ["g"]
    assert process.eval("h[0] is g and h[1] is g")


def test_a_placeholder_stays_one_and_is_not_named_again() -> None:
    _, process = run("g = [iter(first)]")
    encoded = process.encode()
    assert encoded.transient == ()
    with pytest.raises(TransientValueError, match=r"g\[0\] held a list_iterator"):
        process.successor().eval("next(g[0])")


def test_instances_of_a_class_that_cannot_be_kept_go_with_it_and_the_class_says_why() -> None:
    named, process = run(
        "import random\nfrom decimal import Context\nclass Own(Context):\n    pass\nown = Own()\nheld = [Own()]\nok = 1"
    )
    assert set(named) == {"Own", "own", "held[0]"}
    assert process.globals["ok"] == 1


def test_a_function_whose_code_no_batch_holds_is_lost() -> None:
    process = Process()
    exec(compile("def stray():\n    return 1", "<elsewhere>", "exec"), process.globals)
    assert [one.name for one in process.encode().transient] == ["stray"]


def test_what_a_changed_policy_no_longer_offers_is_lost_when_it_is_read() -> None:
    process = Process()
    process.run("import math\nfrom math import sqrt\nclass C:\n    root = sqrt\nx = 1")
    encoded = process.encode()
    successor = Process(process.sources)
    successor.withdrawn = {"math", "math.sqrt"}
    successor.restore(encoded.data)
    assert successor.globals["x"] == 1
    with pytest.raises(TransientValueError, match="the policy does not offer it any more"):
        successor.eval("C.root(4)")


HASHING = """
class Key:
    def __init__(self, key):
        self.key = key
    def __hash__(self):
        return hash(self.key)
    def __eq__(self, other):
        return self.key == other.key
"""


def test_keys_and_members_with_hashes_of_their_own_are_put_in_when_they_are_complete() -> None:
    process = Process()
    process.run(
        HASHING
        + """
from collections import Counter, defaultdict
table = {Key(1): 'a', Key((2, 3)): 'b'}
table[Key('me')] = table
members, fixed = {Key(3)}, frozenset({Key(4)})
nested = {fixed: 1, (Key(5), 1): 2}
count, groups = Counter([Key(1), Key(1)]), defaultdict(list, {Key(2): [1]})
holder = Key(6)
holder.table = {holder: 1}
outer = frozenset({Key(frozenset({Key(7)}))})
class Bag(dict):
    pass
bag = Bag({Key(8): holder})
"""
    )
    for _ in range(2):
        process = process.successor()
        for expression in (
            "table[Key(1)] == 'a' and table[Key((2, 3))] == 'b' and table[Key('me')] is table and len(table) == 3",
            "Key(3) in members and Key(4) in fixed and nested[frozenset({Key(4)})] == 1 and nested[Key(5), 1] == 2",
            "count[Key(1)] == 2 and groups[Key(2)] == [1] and holder.table[holder] == 1",
            "Key(frozenset({Key(7)})) in outer and bag[Key(8)] is holder and list(table)[0].key == 1",
        ):
            assert process.eval(expression) is True, expression


def restored(source: str, then: str) -> tuple[Process, Decoded]:
    """Run a batch, change the guest's classes by a second, and decode what the first left."""
    process = Process()
    process.run(source)
    process.run(then)
    successor = Process(process.sources)
    return successor, successor.restore(process.encode().data)


def test_a_hash_that_raises_costs_its_container_only() -> None:
    source = HASHING + "table = {Key(1): 'a'}\nsafe = {'k': [1]}\nmembers = frozenset({Key(2)})"
    process, decoded = restored(
        source,
        "def broken(self):\n    raise ValueError('no')\nKey.__hash__ = broken".replace(
            "Key.__hash__ = broken", "setattr(Key, 'limit', 1)\nKey.key = property(broken)"
        ),
    )
    assert process.globals["safe"] == {"k": [1]}
    assert {one.type for one in decoded.transient} == {"dict", "frozenset"}
    assert all("raised ValueError" in one.reason for one in decoded.transient)
    assert type(process.globals["members"]) is Lost


def test_the_search_for_the_place_gives_up_in_a_very_large_variable() -> None:
    process = Process()
    process.run("big = [[i] for i in range(60_000)]\nbig[-1].append(iter([]))")
    assert [one.name for one in process.encode().transient] == ["big (somewhere in it)"]


def test_a_placeholder_can_be_made_for_a_living_variable() -> None:
    with pytest.raises(
        TransientValueError, match=r"g held a generator, which .* \(a live generator\): compute it again"
    ):
        iter(lose("g", "generator", "a live generator"))  # type: ignore[call-overload]
