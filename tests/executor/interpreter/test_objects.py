"""An application's objects as the guest holds them: every use is a call, and nothing of a proxy is to be had."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from interpreter_stand import Batch, Interpreter, interpreter, run, successor

from statek_policies import Policy
from statek_protocol import operations
from statek_protocol.messages.interpreter import BatchSource, GuestError, Load
from statek_protocol.references import HandleRef, PlainReferences
from statek_protocol.values import encode_value

MEETING = HandleRef(3, "Meeting")
OTHER = HandleRef(4, "Meeting")


class World:
    """Answers what guests ask of objects: `answers` by what is asked, else by the operation."""

    def __init__(self, **answers: Any) -> None:
        self._answers = {"meeting": MEETING, "other": OTHER, **answers}

    def tools(self) -> dict[str, Callable[..., object]]:
        asked = {name: self._operation(name) for name in operations.OBJECT_OPERATIONS}
        return {**asked, "meeting": lambda: MEETING, "other": lambda: OTHER, "show": lambda *given: repr(given)}

    def _operation(self, operation: str) -> Callable[..., object]:
        name = operation.partition(".")[2]

        def answer(_: HandleRef, *arguments: Any) -> object:
            for key in (f"{name}_{arguments[0]}" if arguments else name, name):
                if key in self._answers:
                    found = self._answers[key]
                    return found(*arguments) if callable(found) else found
            return {"describe": ("find", "move")}.get(name)

        return answer


def told(source: str, **answers: Any) -> Batch:
    return run(source, tools=World(**answers).tools())


def asked(batch: Batch) -> list[tuple[str, object]]:
    """Every operation and what came with the object."""
    return [(name, args[1:]) for _, name, (args, _) in batch.calls if name in operations.OBJECT_OPERATIONS]  # type: ignore[misc]


def test_one_call_for_each_attribute_and_each_method_and_one_for_the_class() -> None:
    batch = told(
        "m = meeting()\nprint(m.title, m.title)\nm.move(1, to=2)\nm.title = 'x'\ndel m.title\n", get_title="plan"
    )
    assert batch.console == "plan plan\n"
    assert asked(batch) == [
        (operations.OBJECT_DESCRIBE, ()),
        (operations.OBJECT_GET, ("title",)),
        (operations.OBJECT_GET, ("title",)),
        (operations.OBJECT_INVOKE, ("move", (1,), {"to": 2})),
        (operations.OBJECT_SET, ("title", "x")),
        (operations.OBJECT_DELETE, ("title",)),
    ]


OPERATORS = [
    ("m[1]", (operations.OBJECT_ITEM, (1,)), "item"),
    ("m[1:2]", (operations.OBJECT_ITEM, (1, 2, None)), "item"),
    ("m['a', 2]", (operations.OBJECT_ITEM, (("a", 2),)), "item"),
    ("len(m)", (operations.OBJECT_LENGTH, ()), 7),
    ("5 in m", (operations.OBJECT_CONTAINS, (5,)), True),
    ("m == 5", (operations.OBJECT_COMPARE, ("==", 5)), True),
    ("m < 5", (operations.OBJECT_COMPARE, ("<", 5)), True),
    ("5 < m", (operations.OBJECT_COMPARE, (">", 5)), True),
    ("str(m)", (operations.OBJECT_TEXT, ("str",)), "text"),
    ("repr(m)", (operations.OBJECT_TEXT, ("repr",)), "text"),
    ("f'{m:>5}'", (operations.OBJECT_TEXT, ("format:>5",)), "text"),
    ("bool(m)", (operations.OBJECT_TRUTH, ()), True),
    ("m(1, b=2)", (operations.OBJECT_INVOKE, (None, (1,), {"b": 2})), "called"),
]


@pytest.mark.parametrize(("use", "call", "value"), OPERATORS, ids=[use for use, _, _ in OPERATORS])
def test_each_operator_is_a_call(use: str, call: tuple[str, object], value: object) -> None:
    batch = told(f"m = meeting()\nprint([{use}])\n", **{call[0].partition(".")[2]: value})
    assert batch.console == f"[{value!r}]\n"
    assert asked(batch) == [call]


@pytest.mark.parametrize(
    ("use", "call"),
    [("m[1] = 2", (operations.OBJECT_SET_ITEM, (1, 2))), ("del m[1]", (operations.OBJECT_DELETE_ITEM, (1,)))],
)
def test_items_are_set_and_deleted(use: str, call: tuple[str, object]) -> None:
    assert asked(told(f"m = meeting()\n{use}\n")) == [call]


def test_items_come_in_chunks_as_they_are_needed() -> None:
    chunk = lambda start, count: ([*range(start, min(start + count, 100))], start + count >= 100)  # noqa: E731
    batch = told("m = meeting()\nprint(sum(m), next(iter(m)))\na, *b = m\nprint(a, len(b))\n", iterate=chunk)
    assert batch.console == "4950 0\n0 99\n"
    starts = [(0, 16), (16, 32), (48, 64)]
    assert [args for _, args in asked(batch)] == [*starts, (0, 16), *starts]


def test_an_object_is_itself_and_a_key() -> None:
    shown = "m is meeting(), m == m, m is n, {m: 1, n: 2}[meeting()], len({m, n, meeting()})"
    batch = told(f"m, n = meeting(), other()\nprint({shown})\n")
    assert batch.console == "True True False 1 2\n"
    assert asked(batch) == []


def test_what_cannot_cross_is_not_equal_and_cannot_be_handed_over() -> None:
    batch = told("m = meeting()\nprint(m == (lambda: 1), m != object())\nm.title = lambda: 1\n")
    assert batch.console == "False True\n"
    assert (batch.error.type, batch.error.line) == ("TypeError", 3)
    assert asked(batch) == []


def test_objects_are_handed_over_also_inside_of_what_is_plain() -> None:
    batch = told("print(show(meeting(), [{'k': other()}]))\n")
    assert batch.console == f"({MEETING!r}, [{{'k': {OTHER!r}}}])\n"


@pytest.mark.parametrize(
    ("error", "caught"),
    [
        (GuestError("AttributeError", "no title", None), "AttributeError no title"),
        (GuestError("KeyError", "k", None), "KeyError 'k'"),
        (GuestError("ValueError", "bad", None), "ValueError bad"),
        (GuestError("Booked", "taken", None), "ToolError Booked: taken"),
        (GuestError("ObjectGone", "gone", None), "ObjectGone gone"),
        (GuestError("ToolTimeout", "slow", None), "ToolTimeout slow"),
        (GuestError("PolicyViolation", "no", None), "ToolDenied no"),
    ],
)
def test_an_objects_own_error_is_what_it_is(error: GuestError, caught: str) -> None:
    source = "m = meeting()\ntry:\n    m.title\nexcept Exception as error:\n    print(type(error).__name__, error)\n"
    assert told(source, get=error).console == f"{caught}\n"


def test_a_missing_attribute_is_missing() -> None:
    source = "m = meeting()\nprint(hasattr(m, 'title'), getattr(m, 'title', 'none'))\n"
    assert told(source, get=GuestError("AttributeError", "no title", None)).console == "False none\n"


def test_a_timeout_is_an_unknown_outcome() -> None:
    assert (
        told("print(issubclass(ToolTimeout, ToolOutcomeUnknown), issubclass(ObjectGone, ToolError))\n").console
        == "True True\n"
    )


def test_an_attribute_that_has_become_a_method_is_learned() -> None:
    batch = told("m = meeting()\nm.cancel()\nm.cancel()\n", get=GuestError("IsMethod", "cancel", None))
    assert [operation for operation, _ in asked(batch)] == [
        operations.OBJECT_DESCRIBE,
        operations.OBJECT_GET,
        operations.OBJECT_INVOKE,
        operations.OBJECT_INVOKE,
    ]


def test_it_is_a_context_manager_and_is_told_how_the_block_ended() -> None:
    source = "m = meeting()\nwith m as entered:\n    pass\nwith m:\n    raise ValueError('oh')\nprint(entered)\n"
    batch = told(source, invoke=lambda name, args, kwargs: name == "__exit__" or "entered")
    assert batch.console == "entered\n"
    assert [args for _, args in asked(batch)] == [
        ("__enter__", (), {}),
        ("__exit__", (), {}),
        ("__enter__", (), {}),
        ("__exit__", ("ValueError", "oh"), {}),
    ]


def test_types_have_the_names_of_the_applications() -> None:
    source = "m = meeting()\nprint(type(m).__name__, isinstance(m, HostObject), type(m) is type(other()), m.move)\n"
    assert told(source).console == "Meeting True True <method move of a Meeting>\n"


HOSTILE = [
    "m.facts",
    "m._facts",
    "m.__dict__",
    "m.__slots__",
    "vars(m)",
    "type(m).facts",
    "HostObject.facts.__get__(m)",
    "type(m)()",
    "HostObject()",
    "object.__setattr__(m, 'facts', 1)",
    "class Mine(HostObject): pass",
    "class Mine(type(m)): pass",
    "m.move.facts",
    "m.move.__self__",
    "m.move.__func__",
    "m.move.title = 1",
    "m.__reduce_ex__(4)",
    "m.__class__ = int",
    "m._title = 1",
    "type(m).title = 1",
    "type(m.move)(m, 'x')",
]


@pytest.mark.parametrize("source", HOSTILE)
def test_nothing_of_a_proxy_is_to_be_had_or_forged(source: str) -> None:
    missing = GuestError("AttributeError", "no such attribute", None)
    batch = told(f"m = meeting()\n{source}\nprint('had it')\n", get=missing)
    assert batch.console == ""
    assert batch.end.outcome in ("error", "blocked")
    numbers = [args[0] for _, name, (args, _) in batch.calls if name in operations.OBJECT_OPERATIONS]  # type: ignore[misc]
    assert set(numbers) <= {MEETING}


def test_an_empty_proxy_stands_for_nothing() -> None:
    source = """
        m = object.__new__(type(meeting()))
        for use in (lambda: m.title, lambda: show(m), lambda: m(), lambda: str(m), lambda: hash(m)):
            try:
                use()
            except (AttributeError, TypeError) as error:
                print(type(error).__name__)
        """
    batch = told(source)
    assert batch.console.split() == [
        "AttributeError",
        "TypeError",
        "AttributeError",
        "AttributeError",
        "AttributeError",
    ]
    assert asked(batch) == []
    assert [value.name for value in batch.snapshot.transient] == ["m"]


def test_a_copy_of_an_object_is_the_object() -> None:
    shown = "copy.copy(m) is m, copy.deepcopy([m])[0] is m, copy.copy(m.move) == m.move"
    assert told(f"import copy\nm = meeting()\nprint({shown})\n").console == "True True True\n"


KEPT = "m = meeting()\nn = [m, m.move]\nk = type(m)\nm.find()\n"
AFTER = "print(m is n[0], n[1] == m.move, k is type(m), meeting() is m)\nm.move()\n"


def test_objects_methods_and_classes_are_kept_and_what_is_known_of_the_class_too() -> None:
    tools = World().tools()
    with interpreter(tools=tools) as process:
        first = process.run(KEPT)
        assert not first.snapshot.transient
        in_place = process.run(AFTER, 2)
        with successor_of(process, first, tools) as other:
            replaced = other.run(AFTER, 2)
    for batch in (in_place, replaced):
        assert batch.console == "True True True True\n"
        assert asked(batch) == [(operations.OBJECT_INVOKE, ("move", (), {}))]


def successor_of(process: Interpreter, batch: Batch, tools: dict[str, Callable[..., object]]) -> Any:
    return successor(process, batch.snapshot, tools=tools)


# variables that the application exports


def loaded_with(process: Interpreter, variables: dict[str, object], batch: Batch | None = None) -> Interpreter:
    """Load a job that was given these variables since its last checkpoint."""
    given = encode_value(variables, max_bytes=10_000, max_depth=9, crossing=PlainReferences())
    kept = () if batch is None else batch.snapshot.segments
    sources = () if batch is None else (BatchSource(1, "batch 1", batch.source),)
    process.send(Load(Policy().to_wire(), kept, sources, (), exports=tuple(variables), variables=(given,)))
    return process


GIVEN: dict[str, object] = {"calendar": MEETING, "days": [1, 2], "team": {"lead": OTHER}}


def test_variables_of_the_application_are_there_and_are_kept_although_nobody_touched_them() -> None:
    tools = World().tools()
    with interpreter(tools=tools, loaded=False) as process:
        first = loaded_with(process, GIVEN).run("x = 1\n")
        with successor(process, first.snapshot, tools=tools) as other:
            batch = other.run("days.append(3)\nprint(type(calendar).__name__, days, team['lead'] is calendar)\n", 2)
    assert batch.console == "Meeting [1, 2, 3] False\n"


def test_a_variable_of_the_guests_own_hides_one_that_comes_later() -> None:
    with interpreter(loaded=False) as process:
        first = loaded_with(process, {}).run("days = 'mine'\n")
    with interpreter(loaded=False) as process:
        batch = loaded_with(process, GIVEN, first).run("print(days, calendar is not None)\n", 2)
    assert batch.console == "mine True\n"


def test_a_variable_that_the_guest_deleted_is_not_there_again() -> None:
    with interpreter(loaded=False) as process:
        loaded_with(process, GIVEN).run("del days\n")
        assert process.run("print('days' in dir())\n", 2).console == "False\n"
