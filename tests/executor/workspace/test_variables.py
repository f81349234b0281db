"""Do plain variables come back with their types, their order and their aliases?"""

from __future__ import annotations

import random
import time
import timeit

from hypothesis import given, settings
from hypothesis import strategies as st
from tests.executor.workspace.processes import Process, check
from tests.protocol.test_values import VALUES, same

from statek_executor.workspace import decode, encode

PROCESS = Process()


def again(**variables: object) -> dict[str, object]:
    encoded = encode(variables, definitions=PROCESS.definitions, references=PROCESS)
    assert encoded.transient == ()
    return decode({1: encoded.data}, definitions=PROCESS.definitions, references=PROCESS).variables


@given(VALUES, VALUES)
def test_every_plain_value_comes_back_with_its_type_and_order(first: object, second: object) -> None:
    variables = {"first": first, "second": second, "both": [first, second]}
    kept = again(**variables)
    assert list(kept) == list(variables)
    assert all(same(kept[name], value) for name, value in variables.items())


def shape(roots: object) -> list[object]:
    """Describe a graph of containers so that graphs of the same shape, aliases and cycles included, are equal."""
    numbers: dict[int, int] = {}
    found: list[object] = []
    pending = [roots]
    while pending:
        item = pending.pop()
        if not isinstance(item, list | tuple | dict):
            found.append(item)
        elif id(item) in numbers and item != ():
            found.append(("again", numbers[id(item)]))
        else:
            numbers[id(item)] = len(numbers)
            parts = list(item.items()) if isinstance(item, dict) else list(item)
            found.append((type(item).__name__, len(parts)))
            pending += [part for pair in parts for part in pair] if isinstance(item, dict) else parts
    return found


@given(st.integers(0, 2**32), st.integers(1, 60))
@settings(max_examples=200)
def test_any_graph_of_containers_keeps_its_shape(seed: int, size: int) -> None:
    chance = random.Random(seed)
    graph: list[object] = [[], {}]
    for number in range(size):
        parts = chance.choices([*graph, number, str(number) * 40], k=chance.randrange(4))
        graph.append(chance.choice([list, tuple, lambda items: dict(enumerate(items))])(parts))
        container = chance.choice(graph)
        if isinstance(container, list):
            container.append(chance.choice(graph))
        elif isinstance(container, dict):
            container[number] = chance.choice(graph)
    variables = {f"v{number}": part for number, part in enumerate(chance.sample(graph, k=min(5, len(graph))))}
    assert shape(list(again(**variables).values())) == shape(list(variables.values()))


def test_two_names_of_one_list_stay_one_list() -> None:
    check(
        "rows = [{'id': 1}]\nalias = rows\nholder = {'rows': rows, 'first': rows[0]}\nrows.append(rows)",
        "alias is rows and holder['rows'] is rows and holder['first'] is rows[0] and rows[1] is rows",
    )


def test_a_cycle_through_a_tuple_is_kept() -> None:
    check("t = ([], {})\nt[0].append(t)\nt[1]['t'] = t", "t[0][0] is t and t[1]['t'] is t and type(t) is tuple")


def test_what_looks_equal_but_is_not_one_object_stays_apart() -> None:
    check("a = [1]\nb = [1]\nc = []\nd = []", "a is not b and c is not d")


def test_a_long_text_is_stored_once_however_often_it_occurs() -> None:
    text = "x" * 100_000
    encoded = encode({"a": [text] * 1000, "b": text}, definitions=PROCESS.definitions, references=PROCESS)
    assert len(encoded.data) < 200_000
    kept = decode({1: encoded.data}, definitions=PROCESS.definitions, references=PROCESS).variables
    assert kept["a"][0] is kept["a"][999] is kept["b"]  # type: ignore[index]


def test_a_value_that_doubles_with_every_level_costs_only_its_levels() -> None:
    process = check("t = ('x' * 100,)\nfor _ in range(100):\n    t = (t, t)", "t[0] is t[1]")
    assert len(process.encode().data) < 10_000


def test_deep_nesting_is_kept() -> None:
    source = """
a, t, d = [], (), {}
for _ in range(10_000):
    a, t, d = [a], (t,), {'k': d}
class Node:
    pass
node = Node()
for _ in range(5_000):
    above = Node()
    above.next, node = node, above
"""
    process = check(source)
    for step in (lambda x: x[0], lambda x: x["k"], lambda x: x.next):
        depth, value = 0, process.globals[{0: "a", 1: "d", 2: "node"}[len(process.host.console)]]
        process.host.console += "."
        while value and (not hasattr(value, "__dict__") or vars(value)):
            depth, value = depth + 1, step(value)
        assert depth in (5_000, 10_000)


def test_containers_of_collections_keep_what_they_are() -> None:
    check(
        """
from collections import Counter, OrderedDict, defaultdict, deque
from types import SimpleNamespace
count = Counter('aab')
last = deque([1, 2, 3], maxlen=3)
groups = defaultdict(list, {1: [2]})
order = OrderedDict(b=1, a=2)
order.move_to_end('b')
space = SimpleNamespace(x=1, count=count)
space.me = space
""",
        "type(count) is collections.Counter and count == {'a': 2, 'b': 1}",
        "last.maxlen == 3 and list(last) == [1, 2, 3]",
        "groups[5] == [] and groups[1] == [2] and groups.pop(5) == []",
        "list(order) == ['a', 'b'] and type(order) is collections.OrderedDict",
        "space.count is count and space.me is space and space.x == 1",
    )


def test_library_objects_that_are_data_are_kept() -> None:
    check(
        """
import io, re, random
from functools import partial
from itertools import chain
pattern = re.compile('a+', re.IGNORECASE | re.MULTILINE)
flags = re.IGNORECASE | re.MULTILINE
text = io.StringIO('one\\ntwo\\n')
line = text.readline()
raw = io.BytesIO(b'abc')
head = raw.read(1)
largest = partial(max, 3, key=None)
buffer = bytearray(b'x')
same_buffer = buffer
part = slice(1, None, 2)
nothing, unset = ..., NotImplemented
row = {'a': 1}
keys, items = row.keys(), row.items()
push = (stack := []).append
push(1)
upper = str.upper
dice = random.Random(7)
dice.random()
""",
        "pattern.findall('bAa') == ['Aa'] and pattern.flags & re.MULTILINE and True",
        "flags == re.I | re.M and type(flags) is re.RegexFlag",
        "text.tell() == 4 and text.getvalue() == 'one\\ntwo\\n'",
        "raw.tell() == 1 and raw.getvalue() == b'abc'",
        "largest(1) == 3 and same_buffer is buffer and buffer == b'x' and part == slice(1, None, 2)",
        "nothing is ... and unset is NotImplemented",
        "list(keys) == ['a'] and row.update(b=2) is None and len(items) == 2 and row.pop('b') == 2",
        "push(2) is None and stack.pop() == 2 and stack == [1] and upper('a') == 'A'",
    )


def test_a_generator_of_random_numbers_goes_on_where_it_was() -> None:
    process = Process()
    process.run("import random\ndice = random.Random(7)\ndice.gauss(0, 1)")
    successor = process.successor()
    assert successor.eval("[dice.random() for _ in range(5)]") == process.eval("[dice.random() for _ in range(5)]")


def test_modules_and_functions_that_were_handed_out_come_back_as_those_of_the_new_process() -> None:
    process = Process()
    process.run("import math, json as j\nfrom math import sqrt\nfrom collections import abc\nroot = sqrt\nshow = print")
    successor = process.successor()
    assert successor.globals["math"] is successor.environment.resolve("math")
    assert successor.globals["root"] is successor.globals["sqrt"] is successor.environment.resolve("math.sqrt")
    assert successor.globals["show"] is successor.environment.resolve("builtins.print")
    successor.run("print(j.dumps([root(4)]), isinstance([], abc.Sequence))")
    assert successor.host.console == "[2.0] True\n"


def test_an_unchanged_plain_variable_keeps_the_bytes_of_its_segment() -> None:
    first = encode({"a": {"k": [1, 2]}, "b": 1}, definitions=PROCESS.definitions, references=PROCESS).data
    second = encode({"a": {"k": [1, 2]}, "b": 2}, definitions=PROCESS.definitions, references=PROCESS).data
    assert len(first) == len(second)
    assert sum(left != right for left, right in zip(first, second, strict=True)) == 1


def test_the_cost_of_a_plain_variable_grows_with_its_size_and_not_faster() -> None:
    def seconds(rows: int) -> float:
        variables = {"rows": [{"id": number, "name": f"n{number}", "tags": [number]} for number in range(rows)]}
        run = lambda: encode(variables, definitions=PROCESS.definitions, references=PROCESS)  # noqa: E731
        return min(timeit.repeat(run, timer=time.process_time, number=1, repeat=5))

    assert seconds(40_000) < 40 * seconds(2_000)
