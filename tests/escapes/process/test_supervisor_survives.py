"""What a hostile interpreter can do to its supervisor: nothing that another job would notice."""

from __future__ import annotations

import pytest
from battlefields import Battlefield

UNREAD_REPLY = """
import time
attack.call(0, "echo", 1)
deadline = time.monotonic() + 0.2  # the filter knows no poll, so the reply is waited for by the clock
while time.monotonic() < deadline: pass
"""


def test_dying_with_an_unread_reply_ends_that_job_alone(battlefield: Battlefield) -> None:
    found = battlefield.attack(UNREAD_REPLY + "os._exit(0)")
    assert found["error"]["type"] == "ExecutorDied"
    battlefield.nobody_noticed()


def test_being_killed_at_a_limit_with_an_unread_reply_ends_that_job_alone(battlefield: Battlefield) -> None:
    found = battlefield.attack(UNREAD_REPLY + "while True: pass", cpu_seconds=0.3)
    assert found["limit"]["name"] == "cpu_seconds"
    battlefield.nobody_noticed()


@pytest.mark.parametrize(
    "garbage",
    [
        r"attack.raw(b'\xff\xff\xff\xff')",
        r"attack.raw(b'\x00\x00\x00\x00')",
        r"attack.raw(b'\x05\x00\x00\x00\xdd\xff\xff\xff\xff')",
        r"attack.raw(b'\x00\x00\x02\x00' + b'\x91' * 0x20000)",
        r"attack.raw(b'\x00\x00\x00\x01' + b'\x90' * 0x1000000)",
        "attack.send_map(kind='stamp', lease='x', epoch=1, sequence=1)",
        "attack.send_map(kind='metered', batch=1, cpu_seconds=-1.0)",
        "attack.send_map(kind='lost', batch=1, cause='limit', detail='', limit=None)",
        "attack.send_map(kind='\\ud800')",
        "attack.send_map(kind='console', batch=10**9, data=b'x')",
        "attack.finish(limit=LimitBreach('cpu_seconds', 1.0, float('nan')), outcome='limit')",
        "attack.finish(limit=LimitBreach('no such limit', 1.0, 1.0), outcome='limit')",
        "attack.finish(snapshot=Snapshot(0, (Segment(1, b'', (1, 1)),), (), ()))",
        "attack.finish(snapshot=Snapshot(0, (Segment(1, b'', (2,)),), (), ()))",
        "attack.finish(); attack.finish(); attack.finish()",
        "attack.call(0, 'time.sleep', 5); attack.call(1, 'time.sleep', 5)",
        "attack.call(7, 'echo')",
        "attack.call(0, 'time.sleep', 5); attack.finish()",
    ],
)
def test_what_the_protocol_does_not_allow_costs_only_the_sender_its_job(battlefield: Battlefield, garbage: str) -> None:
    found = battlefield.attack(garbage + "\nwhile os.read(attack.fd, 4096): pass")
    assert found["outcome"] in ("failed", "ok"), found
    battlefield.nobody_noticed()
