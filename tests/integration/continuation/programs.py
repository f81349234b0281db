"""Programs that wait, in every place where a program can: what they do must not depend on what happens meanwhile.

Each has batches of guest source. `wait(key)` is a value that comes later, `effect(text)` leaves a trace outside of the
system, `show` is what the last batch prints of the variables. What plain CPython does, where nothing is ever waited
for, is what must come out.
"""

from __future__ import annotations

import contextlib
import io
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass

Value = object


@dataclass(frozen=True)
class Program:
    """One job: its batches, and the values of its waits in the order in which it comes to them."""

    name: str
    source: str
    values: Mapping[str, Value]
    show: str

    @property
    def batches(self) -> list[str]:
        """The batches that are submitted, the last of which shows the variables."""
        parts = [textwrap.dedent(part) for part in self.source.split("\n#---\n")]
        return [*parts, f"print('variables:', {self.show})\n"]


@dataclass(frozen=True)
class Outcome:
    """What a program did."""

    console: str
    effects: tuple[str, ...]


def plainly(program: Program) -> Outcome:
    """Run a program as plain CPython does, with every value there at once."""
    effects: list[str] = []

    def effect(text: str) -> int:
        effects.append(text)
        return len(text)

    def wait_for_any(*values: Value, timeout: float | None = None) -> Value:
        if timeout is not None:
            raise TimeoutError
        return values[0]

    def wait_for_all(*values: Value) -> tuple[Value, ...]:
        return values

    names: dict[str, Callable[..., Value]] = {
        "WaitTimeout": TimeoutError,
        "wait": program.values.get,
        "effect": effect,
        "wait_for_any": wait_for_any,
        "wait_for_all": wait_for_all,
    }
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        namespace: dict[str, object] = {"__name__": "__main__", **names}
        for batch in program.batches:
            exec(compile(batch, program.name, "exec"), namespace)
    return Outcome(printed.getvalue(), tuple(effects))


PROGRAMS = (
    Program(
        "counter",
        """
        counter = 0
        #---
        counter = counter + 1
        result = wait("a")
        print(result)
        after = True
        """,
        {"a": 7},
        "counter, result + 0, after",
    ),
    Program(
        "top_level",
        """
        effect("before")
        value = wait("a")
        effect("between")
        total = value + 1
        effect(f"after {total}")
        """,
        {"a": 41},
        "total",
    ),
    Program(
        "loop",
        """
        total, seen = 0, []
        for key in "abc":
            effect(f"ask {key}")
            seen.append(key)
            total += wait(key)
            effect(f"got {total}")
        """,
        {"a": 1, "b": 10, "c": 100},
        "total, seen",
    ),
    Program(
        "branch",
        """
        if wait("a") > 3:
            effect("more")
            kind = "more"
        else:
            kind = "less"
        while (size := wait("b")) < 2:
            effect("never")
        """,
        {"a": 5, "b": 2},
        "kind, size + 0",
    ),
    Program(
        "nested_functions",
        """
        def outer(key):
            effect(f"outer {key}")
            count = 0
            def inner():
                nonlocal count
                count += 1
                effect("inner")
                return wait(key) * count
            return inner() + inner()
        found = outer("a")
        """,
        {"a": 6},
        "found",
    ),
    Program(
        "recursion",
        """
        def down(n):
            effect(f"down {n}")
            if n == 0:
                return 0
            found = wait("abc"[n - 1]) + down(n - 1)
            effect(f"up {n}")
            return found
        total = down(3)
        """,
        {"c": 3, "b": 20, "a": 100},
        "total",
    ),
    Program(
        "comprehension",
        """
        print([wait(key) + effect(key) for key in "ab"], {key: len(wait(key * 2)) for key in "cd"})
        lazily = [wait(key) for key in "ef"]
        effect("all asked for")
        total = sum(value + 0 for value in lazily)
        """,
        {"a": 1, "b": 2, "cc": "three", "dd": "fou", "e": 5, "f": 6},
        "total",
    ),
    Program(
        "callback_of_sorted",
        """
        def rank(word):
            effect(word)
            return wait(word) + 0
        words = sorted(["pear", "fig", "plum"], key=rank)
        longest = max(words, key=lambda word: len(word) + wait("bonus"))
        """,
        {"pear": 3, "fig": 1, "plum": 2, "bonus": 10},
        "words, longest",
    ),
    Program(
        "try_finally",
        """
        steps = []
        def work():
            try:
                steps.append("try")
                found = wait("a") // 0
            except ZeroDivisionError:
                steps.append("except")
                effect(f"handled {wait('b')}")
                found = "handled"
            except BaseException:
                effect("swallowed")
                raise
            finally:
                steps.append("finally")
                effect(f"finally {wait('c')}")
            return found
        found = work()
        try:
            last = wait("d") + 1
        except:
            effect("swallowed")
        """,
        {"a": 1, "b": "b!", "c": "c!", "d": 9},
        "found, steps, last",
    ),
    Program(
        "with_block",
        """
        class Lock:
            held = 0
            def __enter__(self):
                Lock.held += 1
                effect(f"enter {wait('a')}")
                return self
            def __exit__(self, *error):
                effect(f"exit {wait('c')}")
                Lock.held -= 1
                return True
        with Lock() as lock:
            print("held", lock.held, wait("b"))
            {}["missing"]
        """,
        {"a": "in", "b": "inside", "c": "out"},
        "Lock.held",
    ),
    Program(
        "generators",
        """
        def numbers():
            for key in "ab":
                effect(f"before {key}")
                yield wait(key) + 0
                effect(f"after {key}")
        taken = []
        for number in numbers():
            taken.append(number)
        def swallowing():
            try:
                yield wait("c") + 0
            except GeneratorExit:
                effect("closed")
        first = next(iter(list(swallowing())))
        """,
        {"a": 1, "b": 2, "c": 3},
        "taken, first",
    ),
    Program(
        "guest_classes",
        """
        from dataclasses import dataclass, field
        @dataclass
        class Account:
            owner: str
            entries: list = field(default_factory=list)
            @property
            def total(self):
                return sum(self.entries) + wait("b")
            def __add__(self, other):
                effect(f"add {other}")
                return Account(self.owner, [*self.entries, other + 0])
            def pay(self, key):
                self.entries.append(wait(key) + 0)
                return self
        account = Account("ann").pay("a") + 5
        total = account.total
        """,
        {"a": 10, "b": 100},
        "account, total",
    ),
    Program(
        "lambda_map_filter",
        """
        import functools
        doubled = list(map(lambda key: wait(key) * 2, "ab"))
        kept = list(filter(lambda number: number > wait("c"), doubled))
        product = functools.reduce(lambda one, two: one * two + wait("d"), doubled, 1)
        """,
        {"a": 2, "b": 5, "c": 5, "d": 1},
        "doubled, kept, product",
    ),
    Program(
        "two_in_one_expression",
        """
        found = effect("one") + wait("a") * effect("two!") - wait("b")
        text = f"{wait('c')}-{wait('d'):>4}-{wait('c')!r}"
        """,
        {"a": 3, "b": 1, "c": "x", "d": 12},
        "found, text",
    ),
    Program(
        "lazy_arguments",
        """
        def first_of(one, two, unused=None):
            effect("called")
            return one + 1
        later, never_used = wait("a"), wait("a")
        found = first_of(later, never_used, unused=wait("a"))
        box = {"kept": [later]}
        #---
        again = box["kept"][0] + later
        """,
        {"a": 4},
        "found, again",
    ),
    Program(
        "kept_across_batches",
        """
        later = wait("a")
        also = [later, {"deep": later}]
        print("not waited for yet")
        #---
        effect("second batch")
        later.append("mine")
        print(also[0], also[1]["deep"] == later)
        #---
        also[0].append("again")
        """,
        {"a": ["list"]},
        "later, also",
    ),
    Program(
        "elements",
        """
        left, right = wait("pair")
        effect("unpacked")
        (one, (two, three)) = wait("nested")
        total = right - left + three
        """,
        {"nested": [1, [2, 3]], "pair": [20, 50]},
        "total, left + 0, right + 0, one + two",
    ),
    Program(
        "all_of_them",
        """
        first, second = wait_for_all(wait("a"), wait("b"))
        effect("asked for both")
        everything = wait_for_all(wait("c"), 5, wait_for_all(wait("d")))
        print(first + second, everything)
        """,
        {"a": 1, "b": 2, "c": 3, "d": 4},
        "first + second, everything[0] + 0",
    ),
    Program(
        "any_of_them",
        """
        quick = wait_for_any(wait("a"), wait("z"))
        effect("asked for any")
        print(quick)
        """,
        {"a": "first"},
        "quick + '!'",
    ),
    Program(
        "deadline",
        """
        try:
            never = wait_for_any(wait("never"), timeout=0.3)
            print(never + "!")
        except WaitTimeout:
            effect("too late")
            print("too late")
        finally:
            effect(f"finally {wait('a')}")
        """,
        {"a": 1},
        "True",
    ),
    Program(
        "random_and_prints",
        """
        import random
        random.seed(11)
        rolls = []
        for key in "ab":
            rolls.append(random.random())
            print("rolled", rolls[-1])
            rolls.append(wait(key) + random.randint(1, 6))
        """,
        {"a": 100, "b": 200},
        "rolls, random.random()",
    ),
    Program(
        "clock",
        """
        import time
        started = time.time()
        stamps = [started]
        for key in "ab":
            stamps.append(time.time())
            wait(key) + 0
            stamps.append(time.time())
        ordered = stamps == sorted(stamps) and stamps[0] == started
        """,
        {"a": 1, "b": 2},
        "ordered, len(stamps)",
    ),
    Program(
        "decorator_and_default",
        """
        def shouting(function):
            effect("decorating")
            suffix = wait("a") + ""
            def wrapper(*arguments):
                return function(*arguments) + suffix
            return wrapper
        @shouting
        def greet(name, greeting=wait("b")):
            return f"{greeting}, {name}"
        said = greet("Ann")
        #---
        again = greet("Bob", "Bye")
        """,
        {"a": "!", "b": "Hello"},
        "said, again",
    ),
    Program(
        "match_statement",
        """
        match wait("a"):
            case {"kind": "move", "to": [hour, minute]}:
                effect(f"move to {hour}:{minute}")
                outcome = wait("b") + hour
            case _:
                outcome = None
        """,
        {"a": {"kind": "move", "to": [9, 30]}, "b": 1},
        "outcome",
    ),
    Program(
        "error_in_the_middle_of_a_job",
        """
        kept = []
        try:
            for key in "ab":
                kept.append(wait(key) + 1)
                effect(key)
                kept[5]
        except IndexError as error:
            print("caught", error, wait("b"))
        """,
        {"a": 1, "b": 2},
        "kept",
    ),
)
