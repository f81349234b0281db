"""One lease over a real socketpair: what goes up under its stamp, and how it ends, whatever the interpreter does."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import struct

import pytest
from lease_stand import BUSY, FakeStock, conversation, in_loop, measured

from statek_executor.supervisor.lease import FRAME_SLACK, Baseline, LeaseServer
from statek_executor.supervisor.quotas import CHECKPOINTS_PER_SECOND, CHECKPOINTS_START, VIOLATIONS_LIMIT
from statek_policies import Limits
from statek_protocol.codec import encode
from statek_protocol.framing import frame
from statek_protocol.messages.base import FRAME_LIMIT, Message
from statek_protocol.messages.executor import (
    UNACKNOWLEDGED_LIMIT,
    Cancel,
    Credit,
    Grant,
    Lost,
    Metered,
    Release,
    Stamp,
)
from statek_protocol.messages.interpreter import (
    Call,
    Checkpoint,
    Console,
    Failed,
    Finished,
    LimitBreach,
    Load,
    Observed,
    Reply,
    Run,
    Segment,
    Snapshot,
    Violated,
)

SNAPSHOT = Snapshot(1, (Segment(1, b"workspace", (1,)),), (), ())
FINISHED = Finished(1, "ok", None, None, SNAPSHOT)


# an ordinary batch


@in_loop
async def test_what_an_interpreter_says_goes_up_as_it_is_and_its_use_goes_before_its_end() -> None:
    messages: list[Message] = [
        Console(1, b"hello"),
        Observed(1, b"noon"),
        Violated(1, "import", "os", 1, "runtime"),
        Checkpoint(1, SNAPSHOT),
        Call(1, 0, "search", b"arguments"),
    ]
    async with conversation() as talk:
        talk.says(*messages)
        await talk.until(lambda: talk.all(Call))
        talk.deliver(Reply(1, 0, b"value", None))
        assert await talk.hears(Reply) == Reply(1, 0, b"value", None)
        talk.says(FINISHED)
        await talk.until(lambda: talk.all(Finished))
        assert [message for _, message in talk.up] == [*messages, measured(talk), FINISHED]
        assert [stamp.sequence for stamp, _ in talk.up] == list(range(1, len(talk.up) + 1))
        assert (measured(talk).calls, measured(talk).output_bytes) == (1, 5)


@in_loop
async def test_the_next_batch_is_counted_from_its_own_start() -> None:
    async with conversation() as talk:
        talk.says(Console(1, b"12345"), FINISHED)
        await talk.until(lambda: talk.all(Finished))
        await talk.begin(2)
        talk.says(Console(2, b"1"), Finished(2, "ok", None, None, SNAPSHOT))
        await talk.until(lambda: len(talk.all(Finished)) == 2)
        assert [metered.output_bytes for metered in talk.all(Metered)] == [5, 1]


@in_loop
async def test_the_memory_limit_of_the_policy_is_set_on_the_process() -> None:
    async with conversation(Limits(memory_bytes=2**30)) as talk:
        assert talk.stock.process is not None
        soft, hard = resource.prlimit(talk.stock.process.pid, resource.RLIMIT_AS)
        assert soft == hard == 2**40 + 2**30


@in_loop
async def test_nothing_is_read_while_too_much_is_not_durable() -> None:
    async with conversation() as talk:
        talk.says(*[Observed(1, b"x")] * (UNACKNOWLEDGED_LIMIT + 10))
        await talk.until(lambda: len(talk.up) == UNACKNOWLEDGED_LIMIT)
        for _ in range(50):
            await asyncio.sleep(0)
        assert len(talk.up) == UNACKNOWLEDGED_LIMIT
        talk.deliver(Credit(UNACKNOWLEDGED_LIMIT))
        await talk.until(lambda: len(talk.up) == UNACKNOWLEDGED_LIMIT + 10)


@in_loop
async def test_a_flood_of_lines_goes_on_in_few_messages_and_in_order() -> None:
    async with conversation() as talk:
        lines = [b"line %d\n" % number for number in range(2_000)]
        talk.says(*[Console(1, line) for line in lines], Call(1, 0, "t", b""))
        await talk.until(lambda: talk.all(Call))
        assert b"".join(message.data for message in talk.all(Console)) == b"".join(lines)
        assert len(talk.all(Console)) < 100
        assert talk.kinds[-1] == "call", "all that was printed goes before it"


@in_loop
async def test_what_is_printed_while_more_is_gathered_goes_on_by_itself() -> None:
    async with conversation() as talk:
        talk.says(Console(1, b"at once"))
        await talk.until(lambda: talk.all(Console))
        talk.says(Console(1, b"a moment "), Console(1, b"later"))
        await talk.until(lambda: len(b"".join(message.data for message in talk.all(Console))) == 21)


# hostile interpreters

DEEP = b"\x91" * 4000 + b"\xc0"
HOSTILE = {
    "garbage": frame(b"garbage"),
    "nothing": frame(b""),
    "nested": frame(DEEP),
    "an oversized length": struct.pack("<I", FRAME_LIMIT + 1),
    "the largest length": struct.pack("<I", 2**32 - 1),
    "more than its policy could need": struct.pack("<I", Limits().workspace_bytes + FRAME_SLACK + 1),
    "a message of the scheduler's": frame(encode(Run(1, "x", b"", 0, 0, ()))),
    "a message of the supervisor's": frame(encode(Metered(1, 0.0, 0.0, 0, 0, 0))),
    "its own loss": frame(encode(Lost(1, "stopped", "", None))),
    "a stamp": frame(encode(Stamp("job.2", 1, 1))),
    "empty output": frame(encode(Console(1, b""))),
    "violations without end": frame(encode(Violated(1, "import", "", 1, "runtime"))) * (VIOLATIONS_LIMIT + 1),
    "checkpoints without end": frame(encode(Checkpoint(1, SNAPSHOT)))
    * (CHECKPOINTS_START + 20 * CHECKPOINTS_PER_SECOND),
    "observations without end": frame(encode(Observed(1, bytes(1024 * 1024)))) * 9,
    "a call out of turn": frame(encode(Call(1, 1, "t", b""))),
    "output in another batch": frame(encode(Console(2, b"x"))),
    "the end of another batch": frame(encode(Finished(2, "ok", None, None, None))),
    **{
        f"a {message.kind} while it waits for a reply": frame(encode(Call(1, 0, "t", b""))) + frame(encode(message))
        for message in (
            Call(1, 0, "t", b""),
            Console(1, b"x"),
            Observed(1, b"x"),
            Checkpoint(1, SNAPSHOT),
            Finished(1, "ok", None, None, None),
        )
    },
    "calls without end": frame(encode(Call(1, 0, "t", b""))) * (Limits().calls + 101),
}


async def acknowledge_all(talk_up: list[tuple[Stamp, Message]], server: LeaseServer) -> None:
    """Play a scheduler that finds everything durable at once."""
    delivered = 3  # the grant, the load and the run
    while not server.task.done():
        delivered += 1
        message = Credit(len(talk_up))
        server.deliver(Stamp("job.1", 1, delivered), message, encode(message))
        await asyncio.sleep(0)


@pytest.mark.parametrize("said", HOSTILE.values(), ids=HOSTILE)
@in_loop
async def test_what_no_honest_interpreter_says_ends_it_at_once(said: bytes) -> None:
    async with conversation() as talk:
        talk.says(said)
        credit = asyncio.create_task(acknowledge_all(talk.up, talk.server))
        lost = await talk.lost()
        await credit
        assert (lost.batch, lost.cause) == (1, "protocol")
        assert talk.stock.process is not None
        assert talk.stock.process.returncode == -signal.SIGKILL
        assert len(talk.all(Metered)) == 1
        assert len(talk.all(Violated)) <= VIOLATIONS_LIMIT
        assert not talk.all(Finished)


@pytest.mark.parametrize("message", [Console(1, b"x"), FINISHED, Failed(1, "bug", "")], ids=lambda m: m.kind)
@in_loop
async def test_a_message_before_there_is_a_batch_ends_it(message: Message) -> None:
    async with conversation(began=False) as talk:
        talk.says(message)
        lost = await talk.lost()
        assert (lost.batch, lost.cause) == (None, "protocol")
        assert talk.kinds == ["lost"]


@in_loop
async def test_a_message_after_the_end_of_its_batch_ends_it() -> None:
    async with conversation() as talk:
        talk.says(FINISHED, Console(1, b"more"))
        assert (await talk.lost()).cause == "protocol"
        assert talk.kinds == ["metered", "finished", "lost"]


@in_loop
async def test_output_without_a_newline_has_an_end() -> None:
    async with conversation(Limits(output_bytes=100)) as talk:
        talk.says(*[Console(1, b"x" * 30)] * 50)
        lost = await talk.lost()
        assert lost == Lost(1, "limit", "output_bytes reached", LimitBreach("output_bytes", 100, 120))
        assert sum(len(message.data) for message in talk.all(Console)) == 100
        assert measured(talk).output_bytes == 100


@in_loop
async def test_lines_without_end_have_an_end() -> None:
    async with conversation(Limits(output_lines=3)) as talk:
        talk.says(*[Console(1, b"a\n")] * 50)
        assert (await talk.lost()).limit == LimitBreach("output_lines", 3, 4)
        assert b"".join(message.data for message in talk.all(Console)).count(b"\n") <= 3


# ends


@pytest.mark.parametrize(
    ("number", "cause"), [(signal.SIGKILL, "signal"), (signal.SIGSEGV, "signal"), (signal.SIGSYS, "seccomp")]
)
@in_loop
async def test_a_death_is_told_with_its_cause_and_what_was_used(number: int, cause: str) -> None:
    async with conversation() as talk:
        talk.says(Console(1, b"last words"))
        await talk.until(lambda: talk.all(Console))
        talk.dies(number)
        lost = await talk.lost()
        assert (lost.batch, lost.cause) == (1, cause)
        assert measured(talk).cpu_seconds == pytest.approx(0.25, abs=0.05), "the kernel's account, not our last look"
        assert measured(talk).peak_memory_bytes >= 4096
        kernel = [violated.layer for violated in talk.all(Violated)]
        assert kernel == (["kernel"] if cause == "seccomp" else [])


@in_loop
async def test_an_exit_of_its_own_is_told_as_such() -> None:
    async with conversation(command=("sh", "-c", "read line; exit 7")) as talk:
        assert talk.stock.process is not None
        assert talk.stock.process.stdin is not None
        talk.stock.process.stdin.close()
        lost = await talk.lost()
        assert lost.cause == "exited"
        assert "7" in lost.detail


@in_loop
async def test_half_a_frame_and_then_death_is_a_death() -> None:
    async with conversation() as talk:
        whole = frame(encode(Console(1, b"never complete")))
        talk.says(Console(1, b"complete"), whole[:-1])
        await talk.until(lambda: talk.all(Console))
        talk.dies()
        assert (await talk.lost()).cause == "signal"
        assert [message.data for message in talk.all(Console)] == [b"complete"]


@in_loop
async def test_a_death_between_two_batches_names_none() -> None:
    async with conversation() as talk:
        talk.says(FINISHED)
        await talk.until(lambda: talk.all(Finished))
        talk.dies()
        assert (await talk.lost()).batch is None
        assert talk.kinds == ["metered", "finished", "lost"]


@in_loop
async def test_what_was_printed_before_an_end_comes_out_also_when_the_end_cuts_into_a_frame() -> None:
    async with conversation() as talk:
        second = frame(encode(Console(1, b"second")))
        talk.says(frame(encode(Console(1, b"first"))) + second[:10])
        await talk.until(lambda: talk.all(Console))
        for _ in range(5):
            await asyncio.sleep(0)
        talk.says(second[10:], Console(1, b"third"), Call(1, 0, "t", b""), Console(1, b"after the call"))
        talk.server.end("limit", "wall_seconds reached", LimitBreach("wall_seconds", 1.0, 2.0))
        lost = await talk.lost()
        assert lost.limit == LimitBreach("wall_seconds", 1.0, 2.0)
        assert b"".join(message.data for message in talk.all(Console)) == b"firstsecondthird"
        assert not talk.all(Call)


@in_loop
async def test_a_limit_that_is_reached_while_a_child_is_dying_is_reported_all_the_same() -> None:
    async with conversation() as talk:
        talk.writer.transport.abort()
        for _ in range(20):  # until the server has seen it as well, and waits for the child's end
            await asyncio.sleep(0)
        talk.server.end("limit", "cpu_seconds reached", LimitBreach("cpu_seconds", 1.0, 2.0))
        assert (await talk.lost()).limit == LimitBreach("cpu_seconds", 1.0, 2.0)


@in_loop
async def test_a_busy_interpreter_is_warned_and_then_ended() -> None:
    async with conversation(Limits(cpu_seconds=0.05), command=BUSY) as talk:
        lost = await talk.lost()
        assert (lost.cause, lost.limit is not None and lost.limit.name) == ("limit", "cpu_seconds")
        assert talk.stock.signals[0] == signal.SIGXCPU
        assert talk.stock.signals[-1] == signal.SIGKILL
        assert measured(talk).cpu_seconds >= 1.05


@in_loop
async def test_an_idle_interpreter_is_warned_of_the_wall_but_not_while_it_waits_for_a_reply() -> None:
    async with conversation(Limits(wall_seconds=0.05)) as talk:
        talk.says(Call(1, 0, "slow", b""))
        await talk.until(lambda: talk.all(Call))
        await asyncio.wait([talk.server.task], timeout=0.2)
        assert talk.stock.signals == []
        talk.deliver(Reply(1, 0, b"", None))
        await talk.hears(Reply)
        lost = await talk.lost()  # SIGALRM ends an ordinary program
        assert talk.stock.signals[0] == signal.SIGALRM
        assert lost.cause == "signal"


@in_loop
async def test_a_cancel_ends_the_batch_from_outside() -> None:
    async with conversation() as talk:
        talk.deliver(Cancel("the user wishes it"))
        assert await talk.lost() == Lost(1, "stopped", "the user wishes it", None)


@in_loop
async def test_a_release_in_a_batch_ends_it_with_what_that_used_and_no_other_word() -> None:
    async with conversation() as talk:
        talk.deliver(Release())
        await talk.server.task
        (metered,) = talk.all(Metered)
        assert metered.batch == 1
        assert 0.2 < metered.cpu_seconds <= 0.25, "by the kernel's account at its death"
        assert talk.kinds == ["metered"]


@pytest.mark.parametrize("began", [True, False])
@in_loop
async def test_a_release_between_batches_ends_it_without_a_word(began: bool) -> None:
    async with conversation(began=began) as talk:
        if began:
            talk.says(FINISHED)
            await talk.until(lambda: talk.all(Finished))
        before = len(talk.up)
        talk.deliver(Release())
        await asyncio.gather(talk.server.task, return_exceptions=True)
        assert len(talk.up) == before


@pytest.mark.parametrize("sequence", [1, 3, 5, 100])
@in_loop
async def test_a_gap_in_what_the_scheduler_says_ends_it_without_blame(sequence: int) -> None:
    async with conversation() as talk:
        talk.server.deliver(Stamp("job.1", 1, sequence), Release(), encode(Release()))
        assert (await talk.lost()).cause == "stopped"


@in_loop
async def test_a_policy_that_cannot_be_held_ends_it_without_blame() -> None:
    async with conversation(began=False) as talk:
        talk.deliver(Load({"name": "x"}, None, (), ()))
        lost = await talk.lost()
        assert lost.cause == "stopped"
        assert "policy" in lost.detail


@in_loop
async def test_a_limit_that_cannot_be_set_ends_it_without_blame(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr("statek_executor.supervisor.lease.set_memory_limits", refuse)
    async with conversation(began=False) as talk:
        talk.deliver(Load(talk.policy.to_wire(), None, (), ()))
        lost = await talk.lost()
        assert (lost.batch, lost.cause) == (None, "stopped")
        assert "not permitted" in lost.detail


@in_loop
async def test_a_host_that_has_no_interpreter_says_so() -> None:
    up: list[bytes] = []

    async def send(_: Stamp, data: bytes) -> None:
        up.append(data)

    stock = FakeStock(refusal="no more processes")
    server = LeaseServer(Stamp("job.1", 1, 1), Grant("job"), stock, Baseline(0, 0), send)  # type: ignore[arg-type]
    await server.task
    assert up == [encode(Lost(None, "stopped", "no more processes", None))]


@in_loop
async def test_the_first_cause_of_an_end_stands() -> None:
    async with conversation() as talk:
        talk.server.end("stopped", "first")
        talk.server.end("limit", "second")
        assert (await talk.lost()).detail == "first"


@in_loop
async def test_no_descriptor_is_left_by_leases_however_they_end() -> None:
    before = len(os.listdir("/proc/self/fd"))
    for end in ("finished", "garbage", "death", "release"):
        async with conversation() as talk:
            if end == "garbage":
                talk.says(b"\xff" * 100)
                await talk.lost()
            elif end == "death":
                talk.dies()
                await talk.lost()
            else:
                talk.deliver(Release())
                await asyncio.gather(talk.server.task, return_exceptions=True)
    while len(os.listdir("/proc/self/fd")) > before:
        await asyncio.sleep(0)


@in_loop
async def test_descriptors_that_an_interpreter_passes_along_arrive_nowhere() -> None:
    """The filter forbids sendmsg; without it the supervisor would still not take what it does not ask for."""
    async with conversation() as talk:
        assert talk.stock.peer is not None
        attacker = talk.stock.peer.dup()
        await asyncio.sleep(0)
        before = len(os.listdir("/proc/self/fd"))
        with attacker:
            socket.send_fds(attacker, [frame(encode(Console(1, b"x")))], [0] * 100)
            while not talk.all(Console):
                await asyncio.sleep(0)
            assert len(os.listdir("/proc/self/fd")) <= before


@in_loop
async def test_a_frame_that_never_ends_ends_with_the_wall_clock() -> None:
    deaf = ("sh", "-c", "trap '' ALRM; read line")
    async with conversation(Limits(wall_seconds=0.1), command=deaf) as talk:
        talk.says(struct.pack("<I", 1_000_000) + b"the beginning")
        lost = await talk.lost()
        assert (lost.cause, lost.limit.name if lost.limit else "") == ("limit", "wall_seconds")
