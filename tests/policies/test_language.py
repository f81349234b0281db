"""The compile path and the namespace: verdicts, instructions, stable names, console, clock and chance."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest
from guest_program import RecordingHost, check_runs, run_guest

from statek_policies import Policy
from statek_policies.language import (
    GuestExit,
    PolicyViolation,
    SourceInvalid,
    SourceRefused,
    SourceTooLarge,
    accepts_writes,
    build_environment,
    compile_batch,
    preload,
)
from statek_policies.offered import MODULES


def _compile(source: str | bytes, policy: Policy | None = None) -> int:
    data = source.encode() if isinstance(source, str) else source
    return len(compile_batch(data, name="<batch 1>", policy=policy or Policy()).lines)


def test_the_instructions_run_in_order() -> None:
    host = RecordingHost()
    environment = build_environment(Policy(), host)
    batch = compile_batch(b"x = 1\nx += 1\nprint(x)", name="<batch 1>", policy=Policy())
    exec(batch.code, environment.globals)
    assert host.output == ["2\n"]
    assert set(environment.globals) - environment.reserved == {"x"}


def test_a_later_batch_sees_what_an_earlier_one_defined() -> None:
    environment = build_environment(Policy(), host := RecordingHost())
    for source in (
        b"import math\nclass C:\n    def __init__(self): self._n = 1\nc = C()",
        b"c._n += 1\nprint(c._n, math.pi > 3)",
    ):
        exec(compile_batch(source, name="<batch>", policy=Policy()).code, environment.globals)
    assert host.output == ["2 True\n"]


@pytest.mark.parametrize(
    ("source", "line", "message"),
    [
        ("x = 1\ny = (", 2, "never closed"),
        ("return 1", 1, "outside function"),
        ("if 1:\nx", 2, "indented"),
        (b"x = 1\ny = '\xff'", 2, "UTF-8"),
        (b"a\nb\0c", 2, "NUL"),
        ("def f(a, a): pass", 1, "duplicate"),
        ("x = " + "(" * 300 + ")" * 300, None, "nested"),
        ("x = " + "-" * 20_000 + "1", None, "nested"),
        ("x = 1" + "+ 1" * 8_000, None, "nested"),
        ("nonlocal x", 1, "module level"),
        ("x = " + "9" * 5000, None, "digits"),
    ],
)
def test_what_is_no_program_says_why(source: str | bytes, line: int | None, message: str) -> None:
    with pytest.raises(SourceInvalid, match=message) as caught:
        _compile(source)
    assert caught.value.type in ("SyntaxError", "IndentationError")
    if line is not None:
        assert caught.value.line == line


def test_a_source_has_limits() -> None:
    with pytest.raises(SourceTooLarge) as caught:
        _compile("x = 1", Policy().with_limits(source_bytes=4))
    assert (caught.value.name, caught.value.allowed, caught.value.used) == ("source_bytes", 4, 5)
    with pytest.raises(SourceTooLarge) as caught:
        _compile("x = [1, 2, 3]", Policy().with_limits(ast_nodes=3))
    assert (caught.value.name, caught.value.allowed) == ("ast_nodes", 3)


@pytest.mark.parametrize(
    ("source", "more"),
    [
        ("x = -1", "x = - -1"),  # one inside another, and no list after it
        ("x = f(1)", "x = f(1, 2)"),
        ("x = {1: 2}", "x = {1: 2, **y}"),
        ("if x: pass", "if x: pass\nelse: pass"),
    ],
)
def test_every_node_counts(source: str, more: str) -> None:
    fewest = _fewest_nodes(source)
    with pytest.raises(SourceTooLarge):
        _compile(more, Policy().with_limits(ast_nodes=fewest))
    assert _compile(source, Policy().with_limits(ast_nodes=fewest))


def _fewest_nodes(source: str) -> int:
    """Find the smallest limit under which a source passes."""
    for allowed in range(1, 100):
        with suppress(SourceTooLarge):
            _compile(source, Policy().with_limits(ast_nodes=allowed))
            return allowed
    raise AssertionError("more than 100 nodes")


def test_a_byte_order_mark_and_a_coding_cookie_change_nothing() -> None:
    assert _compile(b"\xef\xbb\xbf# -*- coding: latin-1 -*-\nx = '\xc3\xa9'") == 1


def test_a_warning_about_the_source_is_not_ours() -> None:
    assert check_runs("print('\\d' is '\\d')").startswith(("True", "False"))


def test_the_guests_line_is_right_also_inside_a_guarded_place() -> None:
    outcome = run_guest("x = 1\n\ndef f():\n    len.x = (\n        1\n    )\n\nf()")
    assert outcome.lines == [4]
    assert isinstance(outcome.error, PolicyViolation)
    assert (outcome.error.rule, outcome.host.violations[0].layer) == ("attribute.write", "runtime")


@pytest.mark.parametrize("source", ["async def f(): pass", "async def f():\n    return [x async for x in y]"])
def test_async_is_refused_with_advice(source: str) -> None:
    with pytest.raises(SourceRefused, match="plain functions") as caught:
        _compile(source)
    assert {violation.rule for violation in caught.value.violations} == {"statement.async"}


@pytest.mark.parametrize("call", ["exit()", "quit(3)", "exit('done')", "import sys; sys.exit(1)"])
def test_exit_ends_the_batch_quietly(call: str) -> None:
    outcome = run_guest(f"print(1)\ntry:\n    {call}\nexcept Exception:\n    print('caught')\nprint(2)")
    assert isinstance(outcome.error, GuestExit)
    assert outcome.output == "1\n"
    assert not outcome.rules


def test_what_was_handed_out_has_a_stable_name() -> None:
    environment = build_environment(Policy(), RecordingHost())
    other = build_environment(Policy(), RecordingHost())
    for ref in (
        "math",
        "math.sqrt",
        "builtins.len",
        "builtins.print",
        "collections.Counter",
        "random.random",
        "time.sleep",
    ):
        assert environment.reference(environment.resolve(ref)) == ref
        assert other.resolve(ref) is not None
    assert environment.resolve("collections.abc") is environment.resolve("collections").abc  # type: ignore[attr-defined]
    assert environment.reference(object()) is None
    assert environment.reference(1) is None
    for unknown in ("os", "math.nothing", "builtins.eval2", "@write", "", "math."):
        with pytest.raises(KeyError):
            environment.resolve(unknown)


def test_every_offered_module_has_a_facade() -> None:
    environment = build_environment(Policy(), RecordingHost())
    for module in MODULES - {"__future__"}:
        assert dir(environment.resolve(module)), module


def test_a_class_of_ours_can_accept_writes() -> None:
    @accepts_writes
    class Handle:
        pass

    environment = build_environment(Policy(), RecordingHost())
    environment.globals["handle"] = handle = Handle()
    for source in (b"handle.name = 1", b"handle.name += 1"):
        exec(compile_batch(source, name="<batch>", policy=Policy()).code, environment.globals)
    assert handle.__dict__ == {"name": 2}
    with pytest.raises(PolicyViolation):
        exec(compile_batch(b"handle._x = 1", name="<b>", policy=Policy()).code, environment.globals)


def test_the_clock_is_the_hosts() -> None:
    source = """
        import datetime, time
        from datetime import date, datetime as dt, timezone
        class Mine(dt):
            pass
        print(dt.now().isoformat(), dt.utcnow().second, dt.now(timezone.utc).tzinfo, datetime.date.today())
        print(dt.today().second, type(Mine.now()).__name__, getattr(dt, "now")().second)
        print(time.time(), time.gmtime().tm_sec, time.strftime("%S"))
        t = time.perf_counter(); time.sleep(2.5); print(time.perf_counter() - t, time.monotonic_ns() % 1000)
    """
    outcome = run_guest(source)
    assert outcome.error is None
    assert outcome.output == ("2023-11-14T22:13:21 22 UTC 2023-11-14\n25 Mine 27\n1700000008.0 29 30\n1.0 0\n")
    assert outcome.host.slept == [2.5]


def test_chance_is_the_hosts_and_drawn_once() -> None:
    source = """
        import random, secrets, uuid
        random.shuffle(x := list(range(5)))
        print(random.random(), random.randint(1, 6), x, random.choice("abc"))
        print(uuid.uuid4(), uuid.uuid1().version, secrets.token_hex(4))
        print(random.Random(5).random(), random.Random().random())
    """
    first, second = run_guest(source), run_guest(source)
    assert first.error is None
    assert first.output == second.output
    other = RecordingHost(drawn=1)
    assert run_guest(source, host=other).output != first.output


def test_a_seed_is_drawn_at_the_first_use_only() -> None:
    assert run_guest("import random").host.drawn == 0
    assert run_guest("import random\nrandom.random()\nrandom.random()").host.drawn == 1


def test_the_state_of_chance_goes_on_where_it_was_saved() -> None:
    host = RecordingHost()
    one, two = build_environment(Policy(), host), build_environment(Policy(), host)
    draw = compile_batch(b"import random\nprint(random.random())", name="<b>", policy=Policy())

    def run(environment: object) -> str:
        exec(draw.code, environment.globals)  # type: ignore[attr-defined]
        return host.output.pop()

    run(one)
    state = one.random.getstate()
    expected = run(one)
    two.random.setstate(state)
    assert run(two) == expected
    assert host.drawn == 1


def test_a_state_saved_before_any_use_is_seeded_when_it_is_used() -> None:
    fresh, restored = (build_environment(Policy(), RecordingHost()) for _ in range(2))
    restored.random.setstate(fresh.random.getstate())
    environment_host = RecordingHost(drawn=7)
    seeded = build_environment(Policy(), environment_host)
    seeded.random.setstate(fresh.random.getstate())
    draw = seeded.resolve("random.random")
    assert callable(draw)
    assert draw() != random.Random("not seeded yet").random()
    assert environment_host.drawn == 8


def test_an_unsafe_sample_draws_from_the_same_chance() -> None:
    source = """
        from statistics import NormalDist
        print(NormalDist(0, 1).samples(2), NormalDist.samples(NormalDist(5, 1), 1), NormalDist().samples(1, seed=3))
    """
    assert run_guest(source).output == run_guest(source).output
    assert run_guest(source).host.drawn == 1


def test_the_console_takes_a_print_in_one_piece() -> None:
    outcome = run_guest(
        "import sys\nprint(1, 'a', sep='-', end='!')\nprint()\nsys.stdout.write('w')\nprint('e', file=sys.stderr)"
    )
    assert outcome.host.output == ["1-a!", "\n", "w", "e\n"]
    assert isinstance(run_guest("print(1, sep=2)").error, TypeError)


def test_preloading_is_done_once_for_all_guests() -> None:
    preload()
    assert (
        check_runs("from zoneinfo import ZoneInfo\nprint(ZoneInfo('Asia/Tokyo'))\nprint('x'.encode('cp1252'))")
        == "Asia/Tokyo\nb'x'\n"
    )


def test_a_class_that_the_workspace_made_again_is_the_guests_own() -> None:
    environment = build_environment(Policy(), host := RecordingHost())
    environment.globals["C"] = type("C", (), {"__module__": "__main__", "_start": 3})
    source = b"c = C()\nc._n = c._start\nc._n += 1\nprint(c._n)"
    exec(compile_batch(source, name="<b>", policy=Policy()).code, environment.globals)
    assert host.output == ["4\n"]
