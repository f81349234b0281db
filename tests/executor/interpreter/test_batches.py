"""How batches end, and what is said of it: in real processes, over the real channel."""

from __future__ import annotations

import signal

import pytest
from interpreter_stand import Interpreter, interpreter, run

from statek_executor.supervisor import metering
from statek_policies import Limits, Policy
from statek_protocol.messages.interpreter import Console, Finished, LimitBreach

# outcomes


def test_a_batch_that_ends_is_ok_and_leaves_its_variables() -> None:
    batch = run("x = 1\nprint(x + 1)\n")
    assert (batch.console, batch.end.outcome, batch.end.error, batch.end.limit) == ("2\n", "ok", None, None)
    assert batch.snapshot.instruction == 2


def test_variables_go_from_batch_to_batch() -> None:
    with interpreter() as process:
        process.run("def double(x):\n    return 2 * x\ny = 21\n")
        assert process.run("print(double(y))\n", 2).console == "42\n"


@pytest.mark.parametrize(
    ("source", "kind", "text", "line"),
    [
        ("x = 1\n1 / 0\n", "ZeroDivisionError", "division by zero", 2),
        ("def f():\n    return {}['k']\n\nf()\n", "KeyError", "'k'", 2),
        ("raise ValueError('a', 1)\n", "ValueError", "('a', 1)", 1),
        ("x = (\n", "SyntaxError", "was never closed", 1),
        ("class Odd(Exception):\n    pass\nraise Odd()\n", "Odd", "", 3),
        ("try:\n    1 / 0\nfinally:\n    x = [][1]\n", "IndexError", "list index", 4),
        ("raise SystemExit(3)\n", "SystemExit", "3", 1),
        ("raise SystemExit('bye')\n", "SystemExit", "bye", 1),
        ("import math\nx = [\n    1,\n    math.sqrt(-1),\n]\n", "ValueError", "math domain", 4),
    ],
)
def test_an_error_is_told_with_its_class_its_text_and_the_guests_own_line(
    source: str, kind: str, text: str, line: int
) -> None:
    batch = run(source)
    assert batch.end.outcome == "error"
    assert (batch.error.type, batch.error.line) == (kind, line)
    assert text in batch.error.message


def test_the_line_of_an_error_is_the_batchs_own_where_an_earlier_batch_raised_it() -> None:
    with interpreter() as process:
        process.run("\n\n\ndef fail():\n    raise ValueError('x')\n")
        assert process.run("x = 1\nfail()\n", 2).error.line == 2


def test_what_a_value_prints_that_is_not_kept_is_printed_before_the_batch_ends() -> None:
    with interpreter() as process:
        source = "def held():\n    try:\n        yield 1\n    finally:\n        print('closed')\ng = held()\nnext(g)\n"
        first = process.run(source)
        assert [value.name for value in first.snapshot.transient] == ["g"]
        assert (first.console, process.run("x = 1\n", 2).console) == ("closed\n", "")


def test_what_was_done_before_an_error_is_kept() -> None:
    with interpreter() as process:
        assert process.run("x = 1\n1 / 0\n").end.outcome == "error"
        assert process.run("print(x)\n", 2).console == "1\n"


@pytest.mark.parametrize(
    "source", ["exit()", "exit(0)", "raise SystemExit", "raise SystemExit(0)", "raise SystemExit(None)"]
)
def test_a_quiet_end_is_ok(source: str) -> None:
    batch = run(f"print('before')\n{source}\nprint('after')\n")
    assert (batch.console, batch.end.outcome) == ("before\n", "ok")


@pytest.mark.parametrize(
    ("source", "status"),
    [
        ("exit()", None),
        ("exit(None)", None),
        ("raise SystemExit", None),
        ("exit('done')", "done"),
        ("exit('')", ""),
        ("exit(0)", "0"),
        ("exit([1, 'a'])", "[1, 'a']"),
        ("import sys; sys.exit('x')", "x"),
        ("exit('\\ud800 alone')", "\\ud800 alone"),
        ("def leave():\n    exit('from within')\nleave()", "from within"),
        ("try:\n    exit('kept')\nexcept Exception:\n    print('caught')", "kept"),
        ("try:\n    exit('first')\nfinally:\n    x = 1", "first"),
        ("try:\n    exit('first')\nfinally:\n    exit('second')", "second"),
        ("class S(str):\n    def __len__(self):\n        return 10**9\nexit(S('plain'))", "plain"),
    ],
)
def test_exit_ends_the_job_with_a_text(source: str, status: str | None) -> None:
    batch = run(f"print('before')\n{source}\nprint('after')\n")
    assert (batch.console, batch.end.outcome, batch.end.error) == ("before\n", "ok", None)
    assert (batch.end.exited, batch.end.exit_status) == (True, status)
    assert batch.snapshot


@pytest.mark.parametrize(
    ("source", "kind"),
    [
        ("class Odd:\n    def __str__(self):\n        return 1 / 0\nexit(Odd())", "ZeroDivisionError"),
        ("class Odd:\n    def __str__(self):\n        return 7\nexit(Odd())", "TypeError"),
        ("exit('x' * 65_537)", "ValueError"),
    ],
)
def test_what_has_no_text_or_too_long_a_one_ends_no_job(source: str, kind: str) -> None:
    batch = run(f"print('before')\n{source}\n")
    assert (batch.end.outcome, batch.error.type, batch.end.exited) == ("error", kind, False)


def test_a_batch_that_comes_to_its_end_has_not_exited() -> None:
    end = run("try:\n    exit('no')\nexcept BaseException as left:\n    print('stays')\n").end
    assert (end.outcome, end.exited, end.exit_status) == ("ok", False, None)


def test_a_source_that_the_policy_refuses_is_blocked_before_anything_ran() -> None:
    batch = run("print('reached')\nimport os\nx.__globals__\n")
    assert (batch.console, batch.end.outcome, batch.end.snapshot) == ("", "blocked", None)
    assert len(batch.violations) == 2


def test_a_violation_that_is_not_caught_blocks_the_batch() -> None:
    batch = run("x = 1\nname = '__subclasses__'\ngetattr(int, name)\n")
    assert batch.end.outcome == "blocked"
    assert batch.error.line == 3
    assert batch.violations


def test_a_violation_that_is_caught_is_reported_all_the_same() -> None:
    batch = run("try:\n    getattr(int, '__subclasses' + '__')\nexcept AttributeError:\n    print('caught')\n")
    assert (batch.console, batch.end.outcome) == ("caught\n", "ok")
    assert batch.violations


@pytest.mark.parametrize(
    ("limits", "source", "name"),
    [
        (Limits(source_bytes=10), "x = 1234567890\n", "source_bytes"),
        (Limits(ast_nodes=20), "\n".join(f"x{number} = {number}" for number in range(50)), "ast_nodes"),
        (Limits(variables=3), "a = b = c = d = 1\n", "variables"),
        (Limits(workspace_bytes=1000), "a = 'x' * 2000\n", "workspace_bytes"),
    ],
)
def test_a_limit_is_named_with_what_it_allows_and_what_was_used(limits: Limits, source: str, name: str) -> None:
    batch = run(source, Policy(limits=limits))
    assert batch.end.outcome == "limit"
    assert batch.end.limit is not None
    assert (batch.end.limit.name, batch.end.limit.allowed) == (name, getattr(limits, name))
    assert batch.end.limit.used > batch.end.limit.allowed
    assert batch.end.snapshot is None


# hostile exceptions

HOSTILE_TEXTS = {
    "raises": ("raise ValueError('no')", "ValueError"),
    "leaves": ("raise SystemExit", "SystemExit"),
    "exits": ("exit()", "GuestExit"),
    "interrupts": ("raise KeyboardInterrupt", "KeyboardInterrupt"),
    "returns no text": ("return 7", "TypeError"),
    "recurses": ("return str(self)", "RecursionError"),
    "violates": ("return getattr(int, '__subclasses' + '__')", "AttributeWithheld"),
}


@pytest.mark.parametrize(("body", "told"), HOSTILE_TEXTS.values(), ids=HOSTILE_TEXTS)
def test_an_error_whose_text_cannot_be_had_is_told_without_it(body: str, told: str) -> None:
    batch = run(f"class Odd(Exception):\n    def __str__(self):\n        {body}\nraise Odd('x')\n")
    assert (batch.end.outcome, batch.error.type) == ("error", "Odd")
    assert batch.error.message == f"(its text cannot be had: {told})"


def test_a_text_with_lone_surrogates_crosses_as_escapes() -> None:
    assert run("raise ValueError('\\ud800 alone')\n").error.message == "\\ud800 alone"


def test_a_text_of_the_guests_own_kind_of_str_is_read_as_what_it_is() -> None:
    source = """
        class Text(str):
            def __getitem__(self, index):
                return 7
            def encode(self, *args):
                return 7
        class Odd(Exception):
            def __str__(self):
                return Text('plain')
        raise Odd()
    """
    assert run(source).error.message == "plain"


def test_a_long_text_and_a_long_name_are_cut() -> None:
    name = "X" * 500
    error = run(f"class {name}(Exception):\n    pass\nraise {name}('y' * 10_000_000)\n").error
    assert (error.type, error.message) == ("X" * 200, "y" * 2000)


def test_an_exit_code_that_compares_as_it_likes_does_not_run_here() -> None:
    source = """
        class Code:
            def __eq__(self, other):
                print('asked')
                raise ValueError('no')
        raise SystemExit(Code())
    """
    batch = run(source)
    assert (batch.console, batch.end.outcome) == ("", "error")


def test_a_text_may_print_and_the_batch_ends_after_it() -> None:
    batch = run(
        "class Odd(Exception):\n    def __str__(self):\n        print('asked')\n        return 'text'\nraise Odd\n"
    )
    assert (batch.console, batch.error.message) == ("asked\n", "text")
    assert isinstance(batch.messages[-1], Finished)


# soft limits


def begun(batch: object) -> bool:
    return bool(batch.all(Console))  # type: ignore[attr-defined]


@pytest.mark.parametrize(("number", "name"), [(signal.SIGXCPU, "cpu_seconds"), (signal.SIGALRM, "wall_seconds")])
def test_a_soft_limit_is_an_error_in_the_guest_and_the_batchs_end(number: int, name: str) -> None:
    with interpreter() as process:
        batch = process.run("x = 1\nif x:\n    print('begun')\n    while True:\n        pass\n", until=begun)
        process.signal(number)
        process.go_on(batch)
        assert batch.end.outcome == "limit"
        assert batch.end.limit == LimitBreach(name, getattr(Limits(), name), getattr(Limits(), name))
        assert batch.error.type == "TimeLimitError"
        assert batch.error.line in (3, 4, 5)
        assert name in batch.error.message
        assert batch.snapshot.instruction == 1


def test_a_guest_may_tidy_up_after_a_soft_limit_but_make_no_call() -> None:
    source = """
        try:
            print('begun')
            while True:
                pass
        except TimeLimitError as error:
            print('caught', error)
            try:
                search('x')
            except LimitError as refusal:
                print('refused', refusal)
        print('went on')
    """
    with interpreter(tools={"search": lambda _: "never"}) as process:
        batch = process.run(source, until=begun)
        process.signal(signal.SIGALRM)
        process.go_on(batch)
        assert "caught wall_seconds" in batch.console
        assert "refused wall_seconds: no call is served" in batch.console
        assert batch.console.endswith("went on\n")
        assert (batch.end.outcome, batch.calls) == ("limit", [])


def test_a_soft_limit_that_comes_while_our_own_code_waits_is_raised_when_the_guest_goes_on() -> None:
    with interpreter(tools={"search": lambda _: "found"}) as process:
        batch = process.run("x = search('x')\n", until=lambda heard: True)
        call = process.receive()
        process.signal(signal.SIGALRM)
        process.send(process._answer(call))  # type: ignore[arg-type]
        process.go_on(batch)
        assert (batch.end.outcome, batch.error.type) == ("limit", "TimeLimitError")


def test_a_soft_limit_reaches_the_text_of_an_error_too() -> None:
    source = """
        class Odd(Exception):
            def __str__(self):
                print('begun')
                while True:
                    pass
        raise Odd()
    """
    with interpreter() as process:
        batch = process.run(source, until=begun)
        process.signal(signal.SIGXCPU)
        process.go_on(batch)
        assert batch.error.message == "(its text cannot be had: TimeLimitError)"
        assert batch.end.outcome == "limit"


def test_a_soft_limit_reaches_the_end_of_a_value_that_is_not_kept() -> None:
    source = """
        def held():
            try:
                yield 1
            finally:
                print('begun')
                while True:
                    pass
        g = held()
        next(g)
        x = 1
    """
    with interpreter() as process:
        batch = process.run(source, until=begun)
        process.signal(signal.SIGXCPU)
        process.go_on(batch)
        assert (batch.end.outcome, batch.end.limit) == ("limit", LimitBreach("cpu_seconds", 5.0, 5.0))
        assert [value.name for value in batch.snapshot.transient] == ["g"]
        assert process.run("print(x)\n", 2).end.outcome == "ok"


def test_a_soft_limit_of_the_last_batch_is_not_the_next_ones() -> None:
    with interpreter() as process:
        first = process.run("print('begun')\nwhile True:\n    pass\n", until=begun)
        process.signal(signal.SIGXCPU)
        process.go_on(first)
        process.signal(signal.SIGXCPU)  # as if the supervisor's had come late
        assert process.run("print('fine')\n", 2).end.outcome == "ok"


def test_memory_that_is_used_up_is_reported_and_let_go_of() -> None:
    with interpreter() as process:
        process.run("x = 1\n")
        process.limit_memory(64 * 2**20)
        source = """
            def fill():
                kept = []
                while True:
                    kept.append('x' * 1_000_000 + str(len(kept)))
            fill()
        """
        batch = process.run(source, 2)
        assert (batch.end.outcome, batch.error.type) == ("limit", "MemoryError")
        assert batch.end.limit is not None
        assert batch.end.limit.name == "memory_bytes"
        assert batch.snapshot is not None
        assert process.run("print(x, len('y' * 10_000_000))\n", 3).console == "1 10000000\n"


# what is too large to keep


def test_variables_that_are_too_large_are_said_at_the_end_and_the_last_ones_stand() -> None:
    policy = Policy(limits=Limits(workspace_bytes=100_000))
    with interpreter(policy) as process:
        kept = process.run("small = 'kept'\n")
        assert process.run("large = 'x' * 200_000\n", 2).end.limit is not None
        with interpreter(policy, workspace=kept.snapshot.segments, sources={}) as other:
            assert other.run("print(small)\n", 3).console == "kept\n"


# the channel


def test_a_long_print_is_cut_into_messages_and_loses_nothing() -> None:
    batch = run("print('x' * 1_000_000, '\\ud800')\n")
    assert batch.console == "x" * 1_000_000 + " \ud800\n"
    assert len(batch.all(Console)) > 10


def test_the_end_of_the_channel_is_the_end_of_the_process() -> None:
    with interpreter() as process:
        process.run("x = 1\n")
        assert process.close() == 0


def test_a_guest_that_waits_when_the_channel_ends_is_not_asked() -> None:
    with interpreter(tools={"search": lambda: None}) as process:
        process.run("try:\n    search()\nfinally:\n    print('tidy')\n", until=lambda heard: True)
        process.receive()
        assert process.close() is not None


@pytest.mark.parametrize(
    ("source", "stood"),
    [
        ("a = 1\n1 / 0\nb = 2\nc = 3\n", 1),
        ("def f():\n    return 1 / 0\na = 1\nb = str(f)\nc = [\n    f()\n]\nd = 1\n", 3),
        ("a = 1\nb = 2\nraise SystemExit(1)\nc = 3\n", 2),
        ("a = 1\n@int\ndef f(): pass\nb = 2\n", 1),
        ("a = 1\nb = 2\n", 2),
    ],
)
def test_the_end_says_where_the_guest_stood_also_among_brief_statements(source: str, stood: int) -> None:
    with interpreter() as process:
        batch = process.run(source)
    assert batch.snapshot.instruction == stood


def test_an_interpreter_does_not_grow_with_every_new_source() -> None:
    def growth(process: Interpreter, batches: range) -> int:
        before = metering.anonymous_bytes(process.pid)
        for batch in batches:
            numbers = "".join(f"x{place} = [{batch}, {place}]\n" for place in range(100))
            assert process.run(numbers, batch).end.outcome == "ok"
        return metering.anonymous_bytes(process.pid) - before

    with interpreter() as process:
        growth(process, range(1, 100))
        assert growth(process, range(100, 200)) < 1_000_000
