"""How much a hostile interpreter can make durable, and whose time it can take: little, and its own."""

from __future__ import annotations

import pytest
from battlefields import Battlefield
from integration.services import finish

MIB = 1024 * 1024

FLOODS = {
    "checkpoints": """
number = 0
while True:
    number += 1
    large = Segment(1, number.to_bytes(8, "big") + bytes(15 << 20), ())
    attack.send(Checkpoint(attack.run.batch, Snapshot(0, (large,), (), ())))
""",
    "single bytes": "while True: attack.send(Console(attack.run.batch, b'x'))",
    "observations": "while True: attack.send(Observed(attack.run.batch, b'x'))",
    "violations": "while True: attack.send(Violated(attack.run.batch, 'r', '\\U0001F600' * 2_000, 1, 'runtime'))",
}


@pytest.mark.parametrize("flood", FLOODS)
def test_a_flood_fills_no_disk_and_stops_nobody(battlefield: Battlefield, flood: str) -> None:
    before = battlefield.store_bytes
    attack = battlefield.attack_in_background(FLOODS[flood], "--limit", "wall_seconds=2")
    battlefield.nobody_noticed()
    assert finish(attack).status in (4, 5)
    assert battlefield.store_bytes - before < 160 * MIB


@pytest.mark.parametrize("layer", ["kernel", "scheduler"])
def test_a_violation_in_another_layers_name_is_not_recorded(battlefield: Battlefield, layer: str) -> None:
    found = battlefield.attack(
        f"attack.send(Violated(attack.run.batch, 'seccomp', 'no', 1, {layer!r})); attack.finish()"
    )
    assert found["outcome"] == "failed"
    assert found["violations"] == []


def test_replies_that_nobody_reads_do_not_pile_up_in_the_supervisor(battlefield: Battlefield) -> None:
    found = battlefield.attack(
        """
for number in range(20):
    attack.call(number, "echo", "x" * 1_000_000)
while True: pass
"""
    )
    assert "before it had read the reply" in found["error"]["message"]
    battlefield.nobody_noticed()
