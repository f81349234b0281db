"""What is said and done in a conversation of a sweep, and what must come of it: pure, from a number."""

from __future__ import annotations

import random
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Final, Literal

from scripted_model import Answer, Fault

from crashsweep.programs import Step, StepKind

FAMILY: Final = 100
"""A tale whose number is a multiple of this may have children: the numbers that follow."""
Moment = Literal["running", "waiting", "ended"]
_MOMENTS: Final[tuple[Moment, ...]] = ("running", "waiting", "ended")
TurnKind = Literal["code", "two", "error", "words", "cut", "last"]
_KINDS: Final[tuple[TurnKind, ...]] = ("code", "code", "code", "code", "two", "error", "words", "cut")
_STEPS: Final[tuple[StepKind, ...]] = (
    *("effect", "effect", "slow_effect", "repeatable"),
    *("wait", "spin", "spin", "line"),
)
WAKERS: Final = ("waker", "asker")
"""The agents whose waits end when a message comes."""
_AGENTS: Final = ("teller", "teller", "caller", *WAKERS)
_BEGINNING: Final = re.compile(r"^tale (\d+)$", re.MULTILINE)
_FAULTS: Final = (
    Fault(kind="status", status=429, retry_after=0.05, times=2),
    Fault(kind="status", status=500),
    Fault(kind="status", status=400),
    Fault(kind="close"),
    Fault(kind="cut", after=2),
    Fault(kind="malformed", after=2),
    Fault(kind="error", after=1),
    Fault(kind="stall", after=1),
)
"""What goes wrong in the place of a reply, a time or two; 400 ends the job, which is then tried again."""
_FAULTY: Final = 0.2
"""How many turns have one."""


@dataclass(frozen=True, slots=True)
class Unforeseen:
    """What only the console can tell: outcomes that nobody knows, and what others have made of it."""

    unknown: frozenset[int] = frozenset()
    """Steps whose outcome is unknown."""
    waits: Mapping[int, str] = field(default_factory=dict)
    """What came of a wait that did not come to its value, by step."""
    children: Mapping[int, str] = field(default_factory=dict)
    """What came of a child, by tale."""


@dataclass(frozen=True, slots=True)
class Act(Step):
    """A step of a conversation: one of the programs', a value from outside, or two children."""

    tale: int = 0
    what: Literal["step", "approval", "children"] = "step"

    @property
    def key(self) -> str:
        """The key of the value from outside."""
        return f"approval/{self.tale}/{self.number}"

    @property
    def children(self) -> tuple[int, ...]:
        return (self.tale + 1, self.tale + 2) if self.what == "children" else ()

    @property
    def value(self) -> int:
        """The value from outside."""
        return self.number * 11

    @property
    def text(self) -> str:
        """The guest's statements."""
        if self.what == "approval":
            return _tried(f"'approved', {self.number}", f"approval({self.key!r}) + 1")
        if self.kind == "wait":
            return _tried(f"'waited', {self.number}", f"wait({self.number}, {self.seconds:.2f}) + 1")
        if self.what == "children":
            begun = ", ".join(f"child({tale(number).agent!r}, {number})" for number in self.children)
            ends = [_tried(f"'child', {number}", f"begun[{place}]") for place, number in enumerate(self.children)]
            return "\n".join([f"begun = [{begun}]", f"print('children of', {self.number})", *ends])
        return self.source

    def lines(self, unforeseen: Unforeseen) -> list[str]:
        """Return what it prints."""
        if self.what == "approval":
            return [f"approved {self.number} {unforeseen.waits.get(self.number, self.value + 1)}"]
        if self.what == "children":
            ends = [f"child {number} {unforeseen.children.get(number, '')}" for number in self.children]
            return [f"children of {self.number}", *ends]
        if self.number in unforeseen.waits:
            return [f"waited {self.number} {unforeseen.waits[self.number]}"]
        line = self.printed(unforeseen.unknown)
        return [] if line is None else [line]


def _tried(label: str, expression: str) -> str:
    """Print a value, or the kind of error that it comes to."""
    return (
        f"try:\n    print({label}, {expression})\nexcept Exception as error:\n    print({label}, type(error).__name__)"
    )


@dataclass(frozen=True, slots=True)
class Turn:
    """One reply of the model, and what its code does."""

    number: int
    """From 0: how many replies come before it."""
    kind: TurnKind
    blocks: tuple[tuple[Act, ...], ...]
    """The code's, of one batch or of several."""
    fault: Fault | None = None
    pause_seconds: float = 0.0

    @property
    def acts(self) -> tuple[Act, ...]:
        return tuple(act for block in self.blocks for act in block)

    @property
    def runs(self) -> bool:
        """Tell whether its code is run, where it has any."""
        return self.kind not in ("words", "cut")

    def console(self, unforeseen: Unforeseen) -> str:
        """Return what its code prints."""
        acts = self.acts if self.runs else ()
        return "".join(f"{line}\n" for act in acts for line in act.lines(unforeseen))


@dataclass(frozen=True, slots=True)
class Note:
    """A message to the job, pushed at some moment of its life."""

    number: int
    moment: Moment
    text: str


@dataclass(frozen=True, slots=True)
class Tale:
    """A conversation: the model's replies, and what else comes from outside."""

    number: int
    agent: str
    turns: tuple[Turn, ...]
    notes: tuple[Note, ...]
    cancelled_in: int | None
    """The turn in which somebody cancels it."""
    by_event: bool
    """It begins with an event, and not because somebody submits it."""
    early: bool
    """The values from outside are brought before anybody waits for them."""

    @property
    def is_child(self) -> bool:
        return self.number % FAMILY != 0

    @property
    def acts(self) -> list[Act]:
        """Everything that its code does where nothing goes wrong."""
        return [act for turn in self.turns if turn.runs for act in turn.acts]

    @property
    def effects(self) -> set[int]:
        """The numbers of the steps that leave a trace outside and must leave one only."""
        return {act.number for act in self.acts if act.has_effect}

    @property
    def approvals(self) -> list[Act]:
        return [act for act in self.acts if act.what == "approval"]

    @property
    def children(self) -> list[int]:
        return [number for act in self.acts for number in act.children]

    @property
    def beginning(self) -> str:
        """Return what the warm-up prints."""
        return f"tale {self.number}\n"

    def total(self, unforeseen: Unforeseen) -> int:
        return sum(act.worth(unforeseen.unknown) for act in self.acts if act.what == "step")

    def ending(self, unforeseen: Unforeseen) -> str:
        """Return what it ends with."""
        return f"tale {self.number} came to {self.total(unforeseen)}"

    def console(self, reply: int, unforeseen: Unforeseen) -> str:
        """Return what the code of a reply prints."""
        if reply >= len(self.turns):
            return f"again {self.total(unforeseen)}\n"
        return self.turns[reply].console(unforeseen)

    def sources(self, reply: int) -> list[str]:
        """Return the code of a reply, of one batch or of several."""
        end = f"exit(f'tale {self.number} came to {{total}}')"
        if reply >= len(self.turns):
            return [f"print('again', total)\n{end}"]
        turn = self.turns[reply]
        texts = ["\n".join(act.text for act in block) for block in turn.blocks]
        match turn.kind:
            case "words":
                return []
            case "error":
                texts[-1] += f"\nraise ValueError('in turn {turn.number}')"
            case "last":
                texts[-1] += f"\n{end}"
        return texts

    def answer(self, reply: int) -> Answer:
        """Return what the model says after so many replies; where all is said, that it is."""
        if reply >= len(self.turns):
            return Answer(text="Again.", code=self.sources(reply))
        turn = self.turns[reply]
        return Answer(
            text=f"Turn {turn.number}.",
            code=self.sources(reply),
            finish_reason="length" if turn.kind == "cut" else "",
            fault=turn.fault,
            pause_seconds=turn.pause_seconds,
            cached_tokens=reply,
        )

    def outcome(self, reply: int) -> str:
        """Return how the code of a reply ends."""
        return "error" if reply < len(self.turns) and self.turns[reply].kind == "error" else "ok"


def tale_of(text: str) -> int | None:
    """Find a tale's number in what its warm-up printed."""
    found = _BEGINNING.search(text)
    return int(found[1]) if found is not None else None


@lru_cache(maxsize=1_000)
def tale(number: int) -> Tale:
    """Make up a tale; the same for the same number."""
    draw = random.Random(number)
    agent = draw.choice(_AGENTS)
    maker = _Maker(draw, number)
    kinds = [draw.choice(_KINDS) for _ in range(draw.randint(1, 3))]
    turns = tuple(maker.turn(place, kind) for place, kind in enumerate((*kinds, "last")))
    moments = [draw.choice(_MOMENTS) for _ in range(draw.choice((0, 0, 1, 2)))]
    notes = tuple(Note(place, moment, f"note {number}/{place}") for place, moment in enumerate(moments))
    cancelled_in = draw.randint(0, len(turns)) if draw.random() < 0.08 else None
    return Tale(number, agent, turns, notes, cancelled_in, draw.random() < 0.7, draw.random() < 0.2)


class _Maker:
    """Makes up turns; numbers the steps of a tale."""

    def __init__(self, draw: random.Random, number: int) -> None:
        self._draw = draw
        self._tale = number
        self._steps = 0
        self._has_children = number % FAMILY != 0  # children have none

    def turn(self, number: int, kind: TurnKind) -> Turn:
        blocks = {"words": 0, "two": 2}.get(kind, 1)
        acts = tuple(self._block() for _ in range(blocks))
        fault = self._draw.choice(_FAULTS) if self._draw.random() < _FAULTY else None
        return Turn(number, kind, acts, fault, self._draw.choice((0.0, 0.01, 0.04)))

    def _block(self) -> tuple[Act, ...]:
        return tuple(self._act() for _ in range(self._draw.randint(1, 3)))

    def _act(self) -> Act:
        self._steps += 1
        chance = self._draw.random()
        if chance < 0.15:
            return Act(self._steps, "line", 0.0, self._tale, "approval")
        if chance < 0.25 and not self._has_children:
            self._has_children = True
            return Act(self._steps, "line", 0.0, self._tale, "children")
        return Act(self._steps, self._draw.choice(_STEPS), self._draw.choice((0.05, 0.3, 1.0)), self._tale)
