"""What a hostile interpreter can say to the scheduler: nothing that stops it, now or whenever the record is read."""

from __future__ import annotations

import pytest
from battlefields import Battlefield

LARGEST_TEXT = r"'\U0001F600' * 15_500"

WORDS = {
    "long names of what is not kept": f"""
value = TransientValue({LARGEST_TEXT}, "t", {LARGEST_TEXT})
attack.finish(snapshot=Snapshot(1, (), (), (value,) * 20))
""",
    "long violations": f"""
for _ in range(60):
    attack.send(Violated(attack.run.batch, "r", {LARGEST_TEXT}, 2**53, "runtime"))
attack.finish()
""",
    "a long error": f"attack.finish(outcome='error', error=GuestError('E', {LARGEST_TEXT}, 2**53))",
    "texts that databases stumble over": r"""
attack.send(Violated(attack.run.batch, "\0", "a\0b'; drop table jobs; --", 2**53, "runtime"))
attack.finish(outcome="error", error=GuestError("\0", "\0\ufffe", 2**53))
""",
    "a console that is no text": r"attack.send(Console(attack.run.batch, bytes(range(256)))); attack.finish()",
    "a place far behind the end": "attack.finish(snapshot=Snapshot(2**53, (), (), ()))",
    "a limit used to the last number": "attack.finish(outcome='limit', limit=LimitBreach('calls', 1e308, 1.7e308))",
    "sleeps of no length": """
for number, value in enumerate([float("nan"), float("inf"), -1, 1e300, 10**400, "x", None, [], True]):
    attack.call(number, "time.sleep", value)
    attack.channel.receive(Reply)
attack.call(9, "time.sleep")
attack.channel.receive(Reply)
attack.finish()
""",
    "arguments that are no value": r"""
for number, data in enumerate([b"", b"\xc1", b"\xdd\xff\xff\xff\xff", b"\x90", b"\x91" * 2000, b"\xd4\x10\x90"]):
    attack.call(number, "echo", arguments=data)
    attack.channel.receive(Reply)
attack.finish()
""",
    "a tool that there is not": r"attack.call(0, '\0../../etc'); attack.channel.receive(Reply); attack.finish()",
}


@pytest.mark.parametrize("words", WORDS)
def test_nothing_that_an_interpreter_says_stops_the_scheduler(battlefield: Battlefield, words: str) -> None:
    found = battlefield.attack(WORDS[words])
    assert found["outcome"] in ("ok", "error", "limit", "failed"), found
    battlefield.nobody_noticed()
