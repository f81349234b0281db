"""What an interpreter may change in the variables that are kept, and what is known of them without reading them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from statek.core import snapshots
from statek.core.decisions import LeaseFault
from statek.core.workspaces import EMPTY_ROOT, Manifest, WorkspaceChange
from statek_policies import Limits
from statek_protocol.messages.interpreter import Segment, Snapshot

LIMITS = Limits(workspace_bytes=100, variables=3)


def taken(manifest: Manifest, *segments: Segment, dropped: tuple[int, ...] = (), batch: int = 1) -> WorkspaceChange:
    return snapshots.take(manifest, Snapshot(1, segments, dropped, ()), limits=LIMITS, batch=batch)


def kept(*data: bytes) -> Manifest:
    segments = [Segment(number, part, ()) for number, part in enumerate(data)]
    return taken(Manifest(), *segments).manifest


numbers = st.integers(0, 4)
steps = st.lists(
    st.tuples(st.dictionaries(numbers, st.binary(max_size=4), max_size=3), st.sets(numbers)), min_size=1, max_size=6
)


@given(steps)
def test_a_manifest_is_what_its_segments_make_it_whatever_way_it_came_about(
    changes: list[tuple[dict[int, bytes], set[int]]],
) -> None:
    manifest, data = Manifest(), dict[int, bytes]()
    for stored, dropped in changes:
        dropped -= stored.keys()
        segments = tuple(Segment(number, part, (1,)) for number, part in stored.items())
        limits = Limits(variables=10)
        change = snapshots.take(manifest, Snapshot(0, segments, tuple(dropped), ()), limits=limits, batch=1)
        manifest = change.manifest
        data = {number: part for number, part in data.items() if number not in dropped} | stored
    assert manifest.size == sum(map(len, data.values()))
    assert {number: segment.size for number, segment in manifest.segments.items()} == {
        n: len(p) for n, p in data.items()
    }
    assert manifest == Manifest.of(manifest.segments.values())
    assert (manifest.root == EMPTY_ROOT) == (not data)


def test_what_a_snapshot_does_not_mention_stays_and_counts() -> None:
    manifest = kept(b"x" * 60, b"y" * 30)
    assert taken(manifest, Segment(1, b"z" * 40, ())).manifest.size == 100
    with pytest.raises(LeaseFault, match="101 bytes"):
        taken(manifest, Segment(1, b"z" * 41, ()))


def test_more_segments_than_variables_are_allowed_are_refused() -> None:
    assert len(kept(b"", b"", b"", b"").segments) == 4
    with pytest.raises(LeaseFault, match="5 segments"):
        taken(kept(b"", b"", b"", b""), Segment(7, b"", ()))


def test_to_drop_what_is_not_there_means_nothing() -> None:
    change = taken(kept(b"x"), dropped=(0, 9))
    assert (change.dropped, change.manifest.segments) == ((0,), {})


@pytest.mark.parametrize(
    ("segments", "dropped"),
    [((Segment(1, b"", ()), Segment(1, b"", ())), ()), ((Segment(1, b"", ()),), (1,)), ((), (2, 2))],
)
def test_a_segment_that_is_mentioned_twice_is_a_fault(segments: tuple[Segment, ...], dropped: tuple[int, ...]) -> None:
    with pytest.raises(LeaseFault, match="twice"):
        taken(Manifest(), *segments, dropped=dropped)


@pytest.mark.parametrize("batches", [(1, 1), (2,)])
def test_a_segment_can_only_need_sources_that_there_are(batches: tuple[int, ...]) -> None:
    with pytest.raises(LeaseFault, match="batch twice"):
        taken(Manifest(), Segment(1, b"", batches))


def test_the_sources_that_are_needed_are_those_of_all_segments() -> None:
    manifest = taken(Manifest(), Segment(1, b"", (3, 1)), Segment(2, b"", (3,)), batch=3).manifest
    assert manifest.batches() == [1, 3]
    assert taken(manifest, dropped=(1,), batch=4).manifest.batches() == [3]
