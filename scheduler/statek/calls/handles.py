"""Which of an application's objects does a job have, under which numbers, and how is each found again?

A number means the same object for ever. What is needed to find the object again is an event of the job
(`HandleBound`), durable together with the answer that first mentions it: an object of dbzero by its uuid, one that the
application exports by its name there. Anything else lives in the memory of this process and is gone with it. Every job
has a table of its own, so a number that a guest makes up is an error and never another job's object.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import Final

from statek.core.events import HandleBound

HANDLES: Final = 10_000
"""Objects that one job can have been given, from its beginning to its end."""
HELD_OBJECTS: Final = 100_000
"""Objects that live in memory only and are held for jobs, all together; the jobs that were idle longest lose theirs."""
TABLES: Final = 10_000
"""Jobs whose tables are kept in memory."""
_ROOM_EVERY: Final = 256
"""Uses of tables between two looks at how much is held."""


class HandlesExhausted(Exception):
    """The job has been given as many objects as a job can have."""

    def __init__(self) -> None:
        super().__init__(f"handles: a job can be given {HANDLES} objects of the application, and this one has been")


class ForgedHandle(Exception):
    """The guest named an object that its job was never given; an honest interpreter cannot."""

    def __init__(self, number: int) -> None:
        super().__init__(f"this job was never given an object of number {number}")


class HandleTable:
    """The objects of one job. Numbers are never given twice, also where the answer that had one was not wanted."""

    def __init__(self, bound: Iterable[HandleBound] = ()) -> None:
        self._bound: dict[int, HandleBound] = {}
        self._numbers: dict[tuple[str, str], int] = {}
        self._classes: dict[str, str] = {}
        self._held: dict[int, object] = {}
        self._held_numbers: dict[int, int] = {}
        self._new: list[HandleBound] = []
        self._next = 0
        for binding in bound:
            self._enter(binding)

    def binding(self, number: int) -> HandleBound:
        """Return what a number was given for; raises `ForgedHandle`."""
        found = self._bound.get(number)
        if found is None:
            raise ForgedHandle(number)
        return found

    def held(self, number: int) -> object | None:
        """Return the object if this process holds it in memory."""
        return self._held.get(number)

    @property
    def held_count(self) -> int:
        return len(self._held)

    def bind(self, origin: str, reference: str, cls: type) -> HandleBound:
        """Give an object that can be found again its number, the same one each time; raises `HandlesExhausted`."""
        number = self._numbers.get((origin, reference))
        return self._bound[number] if number is not None else self._bind(origin, reference, cls)

    def bind_in_memory(self, obj: object) -> HandleBound:
        """Give an object that cannot be found again a number, and hold it from now on; raises `HandlesExhausted`."""
        number = self._held_numbers.get(id(obj))
        if number is not None and self._held[number] is obj:
            return self._bound[number]
        binding = self._bind("memory", "", type(obj))
        self.hold(binding, obj)
        return binding

    def hold(self, binding: HandleBound, obj: object) -> None:
        """Keep the object in memory: nothing else may do so."""
        self._held[binding.number] = obj
        self._held_numbers[id(obj)] = binding.number

    def rebind(self, binding: HandleBound) -> HandleBound:
        """Take over a binding that was made before a crash and is not on record; it may get another number."""
        number = self._numbers.get((binding.origin, binding.reference))
        if number is not None:
            return self._bound[number]
        return self._entered(binding.origin, binding.reference, binding.type_name, binding.class_name)

    def take_new(self) -> tuple[HandleBound, ...]:
        """Return the bindings since the last time; whoever takes them makes them durable."""
        new, self._new = tuple(self._new), []
        return new

    def undo(self) -> None:
        """Forget the bindings since `take_new`: what mentioned them is not answered."""
        for binding in self._new:
            del self._bound[binding.number]
            self._numbers.pop((binding.origin, binding.reference), None)
            held = self._held.pop(binding.number, None)
            self._held_numbers.pop(id(held), None)
        self._new = []

    def let_go(self) -> None:
        """Hold nothing any more."""
        self._held.clear()
        self._held_numbers.clear()

    def _bind(self, origin: str, reference: str, cls: type) -> HandleBound:
        class_name = f"{cls.__module__}.{cls.__qualname__}"
        return self._entered(origin, reference, self._type_name(cls.__name__, class_name), class_name)

    def _entered(self, origin: str, reference: str, type_name: str, class_name: str) -> HandleBound:
        if self._next >= HANDLES:
            raise HandlesExhausted
        binding = HandleBound(self._next, origin, reference, type_name, class_name)  # type: ignore[arg-type]
        self._new.append(binding)
        self._enter(binding)
        return binding

    def _enter(self, binding: HandleBound) -> None:
        self._bound[binding.number] = binding
        if binding.origin != "memory":
            self._numbers[binding.origin, binding.reference] = binding.number
        self._classes.setdefault(binding.type_name, binding.class_name)
        self._next = max(self._next, binding.number + 1)

    def _type_name(self, short: str, class_name: str) -> str:
        """Name a class so that a guest can tell it from others: the first of a name has that name alone."""
        return short if self._classes.get(short, class_name) == class_name else class_name


class HandleTables:
    """The tables of the jobs that were active of late; a table is made anew from the ledger when it is needed again."""

    def __init__(self, recorded: Callable[[str], Iterable[HandleBound]]) -> None:
        """`recorded` gives the bindings that are on record for a job."""
        self._recorded = recorded
        self._tables: OrderedDict[str, HandleTable] = OrderedDict()
        self._uses = 0

    def of(self, job: str) -> HandleTable:
        """Return the job's table; in dbzero's thread."""
        table = self._tables.get(job)
        if table is None:
            table = self._tables[job] = HandleTable(self._recorded(job))
        self._tables.move_to_end(job)
        self._uses += 1
        if self._uses % _ROOM_EVERY == 0:
            self._make_room()
        return table

    def _make_room(self) -> None:
        """Drop what the jobs that were idle longest have in memory, until the others hold no more than may be."""
        while len(self._tables) > TABLES:
            self._tables.popitem(last=False)
        held = sum(table.held_count for table in self._tables.values())
        for table in self._tables.values():
            if held <= HELD_OBJECTS:
                return
            held -= table.held_count
            table.let_go()
