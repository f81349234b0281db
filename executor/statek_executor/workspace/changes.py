"""What of a job's variables has changed since the scheduler was told of them last?

Guest code changes an object only by way of a variable that it names, and what it reaches from there. Variables that
share objects are one segment (`partition`), so the segments of the names that a batch's code loads, of the names that
functions in their reach load, and so on, are all that can have changed. They are written anew; those that come out with
the bytes that they had before are not sent. All other segments are not even looked at.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, TypeAlias

from statek_executor.workspace.decoder import Decoded
from statek_executor.workspace.definitions import Definitions
from statek_executor.workspace.encoder import Encoded, PlainWriter, Transient, encode, fingerprint
from statek_executor.workspace.partition import Group, are_apart, groups_in_turn, is_landmark, partition
from statek_executor.workspace.reach import Reach
from statek_executor.workspace.recall import Recalls
from statek_executor.workspace.references import References
from statek_executor.workspace.segments import (
    BESIDE,
    Changes,
    Segment,
    Written,
    plain_of,
    segment_of,
    with_beside,
)

REMEMBERED: Final = 1_000
"""Sets of names for which it is remembered what they lead to."""

Find: TypeAlias = Callable[[Iterable[str] | None], dict[str, object]]
"""Gives those of these names that are variables now, with their values; all variables for None."""


class Baseline:
    """The workspace as the scheduler has it for certain: what was loaded, or left by the last batch that ended."""

    def __init__(self, definitions: Definitions, references: References, find: Find) -> None:
        self._definitions = definitions
        self._references = references
        self._find = find
        self._reach = Reach(definitions, references)
        self._plain = PlainWriter()
        self._segments: dict[int, Segment] = {}
        self._places: dict[str, int] = {}
        """The segment of each variable."""
        self._landmarks: dict[int, str] = {}
        self._transient: dict[int, tuple[Transient, ...]] = {}
        self._beside: Mapping[str, object] | None = None
        self._size = 0
        self._next = BESIDE + 1
        self._reached: dict[frozenset[str], tuple[set[int], list[str]]] = {}
        """What code with these names comes to, as long as the segments are the same."""
        self._recalled = Recalls(definitions.namespace, self._plain.expression)
        self._sent: set[int] = set()
        """Segments of which the scheduler was told since, though nobody knows whether it took that up."""

    def restore(self, decoded: Decoded, segments: Mapping[int, bytes]) -> None:
        """Begin with what was loaded."""
        changes = Changes()
        landmarks = self._landmarks_among([], decoded.variables)
        for number, part in decoded.contents.items():
            values = {name: decoded.variables[name] for name in part.expressions}
            group = Group(list(values), loads=set(part.loads), needs=set(part.needs))
            encoded = Encoded(segments[number], plain=plain_of(part))
            changes.segments[number] = segment_of(number, group, encoded, values, landmarks)
        self.advance(changes)

    def restore_beside(self, beside: Mapping[str, object], data: bytes) -> None:
        """Take up what was loaded beside the variables."""
        self.advance(with_beside(Changes(), beside, data))

    def is_as_recalled(self, touched: frozenset[str], beside: Mapping[str, object]) -> bool:
        """Tell at a glance that `compare` would find nothing changed; false where a glance does not tell."""
        known = not self._sent and not self._transient and self._recalled.holds(touched)
        return known and beside == self._beside

    def compare(self, touched: frozenset[str] | None, beside: Mapping[str, object]) -> Changes:
        """Tell what has changed if code with these names has run since then; None if all may have changed.

        What this tells is everything since the baseline, whatever was told since then: of all that is sent before a
        batch ends any part may be dropped on its way. `beside` is plain, and kept as a segment of its own.
        """
        numbers, names = self._in_reach(touched)
        values = self._find(names)
        plain = self._write_plain(numbers, values)
        if not numbers and not values and not self._sent and beside == self._beside:
            if touched is not None and names is not None:
                self._recalled.remember(touched, names, self._find(names))
            return Changes(transient=self._all_transient, size=self._size, variables=len(self._places))
        changes = self._compare(numbers, values, plain)
        if beside != self._beside or BESIDE in self._sent:
            self._write_beside(changes, beside)
        return changes

    def _compare(self, numbers: set[int], values: dict[str, object], plain: Mapping[str, Encoded]) -> Changes:
        """Write these variables anew, as far as `plain` has not done it, and tell what is not as it was."""
        if len(plain) == len(values) and not self._have_landmarks(numbers):
            groups = [Group([name]) for name in plain]
            return self._changes(numbers, groups, dict(enumerate(plain.values())), values, self._landmarks)
        self._add_dependents(numbers, values)
        landmarks = self._landmarks_among(numbers, values)
        all_plain = len(plain) == len(values)
        groups = [Group([name]) for name in plain] if all_plain else partition(values, landmarks, self._reach)
        encoded = self._write(groups, values, landmarks, plain)
        return self._changes(numbers, groups, encoded, values, landmarks)

    def note_sent(self, changes: Changes) -> None:
        """Remember that the scheduler may have taken these up; until the batch ends they are told again each time."""
        self._sent.update(changes.dropped, (part.number for part in changes.written))

    def advance(self, changes: Changes) -> None:
        """Make what was compared the baseline: the scheduler has it, or will never hear of this process again."""
        if changes.dropped or changes.segments:
            self._recalled.clear()
        if changes.dropped or not all(map(self._leads_on_as_before, changes.segments.values())):
            self._reached.clear()
        for number in changes.dropped | changes.segments.keys():
            self._forget(number)
        for number, segment in changes.segments.items():
            self._learn(number, segment)
        if changes.beside is not None:
            self._beside = changes.beside
        self._sent.clear()

    def _leads_on_as_before(self, segment: Segment) -> bool:
        """Tell whether a segment has another value only, and whoever comes to it comes to the same as before."""
        before = self._segments.get(segment.number)
        return segment.number == BESIDE or (
            before is not None and before.plain and segment.plain and before.names == segment.names
        )

    @property
    def _all_transient(self) -> tuple[Transient, ...]:
        return tuple(itertools.chain.from_iterable(self._transient.values())) if self._transient else ()

    # what can have changed

    def _in_reach(self, touched: frozenset[str] | None) -> tuple[set[int], list[str] | None]:
        """Give the segments that code with these names can have changed, and all names that it can have come to."""
        if touched is None:
            return set(self._segments) - {BESIDE}, None
        if self._sent:
            sent = [self._segments[number].names for number in self._sent & self._segments.keys() - {BESIDE}]
            return self._follow(touched.union(*sent))
        if touched not in self._reached:
            if len(self._reached) >= REMEMBERED:
                self._reached.clear()
            self._reached[touched] = self._follow(touched)
        numbers, names = self._reached[touched]
        return set(numbers), names

    def _follow(self, touched: frozenset[str]) -> tuple[set[int], list[str]]:
        numbers: set[int] = set()
        names = set(touched)
        pending = list(names)
        while pending:
            number = self._places.get(pending.pop(), BESIDE)
            if number == BESIDE or number in numbers:
                continue
            numbers.add(number)
            segment = self._segments[number]
            further = {*segment.names, *segment.loads, *segment.needs} - names
            names |= further
            pending += further
        return numbers, sorted(names)

    def _write_plain(self, numbers: set[int], values: dict[str, object]) -> dict[str, Encoded]:
        """Write variables, if they are all plain and no two of them can share anything; leave out those unchanged."""
        written: dict[str, Encoded] = {}
        if not are_apart(values.values()):
            return written
        write, place_of, segment_at = self._plain.expression, self._places.get, self._segments.get
        for name, value in list(values.items()):
            expression = write(value)
            if expression is None:
                continue
            number = place_of(name, BESIDE)
            known, now = segment_at(number), fingerprint(expression)
            if known is None or not known.plain or known.fingerprint != now or self._sent:
                written[name] = self._plain.segment(name, expression, now)
            else:
                numbers.discard(number)
                del values[name]
        return written

    def _add_dependents(self, numbers: set[int], values: dict[str, object]) -> None:
        """Add the segments that name a function or class which is not the value of that variable any more."""
        if not self._have_landmarks(numbers):
            return
        gone = {
            name
            for number in numbers
            for name, refer in self._segments[number].landmarks
            if (landmark := refer()) is None or values.get(name) is not landmark
        }
        if not gone:
            return
        for number, segment in self._segments.items():
            if number not in numbers and not segment.needs.isdisjoint(gone):
                numbers.add(number)
                values.update(self._find(segment.names))

    def _have_landmarks(self, numbers: Iterable[int]) -> bool:
        return any(self._segments[number].landmarks for number in numbers)

    def _landmarks_among(self, numbers: Collection[int], values: Mapping[str, object]) -> dict[int, str]:
        """Name the landmarks of all segments, those of these segments as they are now."""
        before = {name for number in numbers for name, _ in self._segments[number].landmarks}
        now = [name for name, value in values.items() if is_landmark(value) and not self._reach.is_free(value)]
        if not before and not now:
            return self._landmarks
        landmarks = {identity: name for identity, name in self._landmarks.items() if name not in before}
        for name in sorted(now, key=lambda name: name not in before):
            landmarks.setdefault(id(values[name]), name)
        return landmarks

    # writing it

    def _write(
        self,
        groups: list[Group],
        values: Mapping[str, object],
        landmarks: dict[int, str],
        plain: Mapping[str, Encoded],
    ) -> dict[int, Encoded]:
        """Write groups, by their places; landmarks that cannot be kept end to be any, before others name them."""
        encoded: dict[int, Encoded] = {}
        for place in groups_in_turn(groups):
            group = groups[place]
            known = plain.get(group.names[0]) if group.plain else None
            encoded[place] = known or self._encode(group, values, landmarks)
            for name in encoded[place].lost:
                if landmarks.get(id(values[name])) == name:
                    del landmarks[id(values[name])]
        return encoded

    def _encode(self, group: Group, values: Mapping[str, object], landmarks: Mapping[int, str]) -> Encoded:
        if group.plain:
            (name,) = group.names
            expression = self._plain.expression(values[name])
            if expression is not None:
                return self._plain.segment(name, expression, fingerprint(expression))
        return encode(
            {name: values[name] for name in group.names},
            definitions=self._definitions,
            references=self._references,
            landmarks=landmarks,
            needs=group.needs,
            loads=group.loads,
        )

    def _changes(
        self,
        numbers: set[int],
        groups: list[Group],
        encoded: Mapping[int, Encoded],
        values: Mapping[str, object],
        landmarks: Mapping[int, str],
    ) -> Changes:
        """Number what was written, as before where there was a before, and leave out what is the same."""
        changes = Changes(size=self._size, variables=len(self._places))
        fresh = itertools.count(self._next)
        for place, group in enumerate(groups):
            found = encoded[place]
            number = self._number_before(group, numbers, changes.segments) or next(fresh)
            segment = segment_of(number, group, found, values, landmarks)
            before = self._segments.get(number)
            changes.segments[number] = segment
            if before is None or before.fingerprint != segment.fingerprint or number in self._sent:
                changes.written.append(Written(number, found.data, tuple(sorted(found.batches))))
        changes.dropped = (numbers | self._sent) - changes.segments.keys() - {BESIDE}
        self._count(changes, numbers)
        return changes

    def _number_before(self, group: Group, numbers: set[int], taken: Collection[int]) -> int | None:
        """Give the number of the first of the variables' segments that is not taken."""
        for name in group.names:
            number = self._places.get(name, BESIDE)
            if number in numbers and number not in taken:
                return number
        return None

    def _count(self, changes: Changes, numbers: set[int]) -> None:
        """Add up the whole workspace: what was not looked at, and what was."""
        for number in numbers:
            before = self._segments[number]
            changes.size -= before.size
            changes.variables -= len(before.names)
        lost = [value for number, lost in self._transient.items() if number not in numbers for value in lost]
        for now in changes.segments.values():
            changes.size += now.size
            changes.variables += len(now.names)
            lost += now.transient
        changes.transient = tuple(lost)

    def _write_beside(self, changes: Changes, beside: Mapping[str, object]) -> None:
        data = self._plain.all_of(beside)
        if data is None:
            data = encode(beside, definitions=self._definitions, references=self._references).data
        before = self._segments.get(BESIDE)
        changes.size += len(data) - (before.size if before else 0)
        with_beside(changes, beside, data)
        changes.written.append(Written(BESIDE, data, ()))

    # keeping the books

    def _forget(self, number: int) -> None:
        segment = self._segments.pop(number, None)
        if segment is None:
            return
        self._size -= segment.size
        self._transient.pop(number, None)
        for name in segment.names:
            if self._places.get(name) == number:
                del self._places[name]
        gone = {name for name, _ in segment.landmarks}
        if gone:
            self._landmarks = {identity: name for identity, name in self._landmarks.items() if name not in gone}

    def _learn(self, number: int, segment: Segment) -> None:
        self._segments[number] = segment
        self._size += segment.size
        self._next = max(self._next, number + 1)
        self._places.update(dict.fromkeys(segment.names, number))
        for name, refer in segment.landmarks:
            self._landmarks[id(refer())] = name
        if segment.transient:
            self._transient[number] = segment.transient
