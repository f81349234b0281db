"""A peer that may connect and speaks whatever it likes: the scheduler refuses, counts, and goes on serving others.

The peers are raw ZeroMQ sockets, at the executors' endpoint with an authorised key and at the clients' socket.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgpack
import pytest
import zmq
from integration.services import Site, wait_for

from statek_protocol.messages.base import FRAME_LIMIT
from statek_protocol.transport.keys import own_pair, scheduler_public
from statek_protocol.version import PROTOCOL_VERSION

ANSWER_MS = 10_000
HELLO: dict[str, Any] = {
    "kind": "hello",
    "protocol": PROTOCOL_VERSION,
    "release": "0",
    "executor": "impostor",
    "host": "nowhere",
    "workers": 1,
    "posture": {},
}


def packed(**fields: Any) -> bytes:
    return bytes(msgpack.packb(fields, unicode_errors="surrogatepass"))


def stamp(lease: str = "job.1", epoch: int = 1, sequence: int = 1) -> bytes:
    return packed(kind="stamp", lease=lease, epoch=epoch, sequence=sequence)


@contextmanager
def peer(address: str, keys: Path | None = None) -> Iterator[zmq.Socket[bytes]]:
    """A socket that may connect, and need not mean well."""
    context = zmq.Context()
    socket = context.socket(zmq.DEALER)
    socket.set(zmq.LINGER, 0)
    socket.set(zmq.RCVTIMEO, ANSWER_MS)
    if keys is not None:
        own = own_pair(keys, "executor")
        socket.set(zmq.CURVE_SERVERKEY, scheduler_public(keys, same_machine=True))
        socket.set(zmq.CURVE_PUBLICKEY, own.public)
        socket.set(zmq.CURVE_SECRETKEY, own.secret)
    try:
        socket.connect(address)
        yield socket
    finally:
        socket.close()
        context.term()


def answer(socket: zmq.Socket[bytes]) -> dict[str, Any]:
    frames = socket.recv_multipart()
    value = msgpack.unpackb(frames[-1])
    assert isinstance(value, dict)
    return value


def answer_of(socket: zmq.Socket[bytes], kind: str) -> dict[str, Any]:
    while (found := answer(socket))["kind"] != kind:
        pass
    return found


GARBAGE: list[list[bytes]] = [
    [b""],
    [b"", b""],
    [b"x"] * 3,
    [b"x"] * 5_000,
    [b"\xc1"],
    [b"\xdd\xff\xff\xff\xff"],
    [b"\x91" * 60_000],
    [b"\x90" * 1_000_000],
    [packed(kind="no such kind")],
    [packed(kind="\ud800")],
    [packed(kind=7)],
    [packed(**{**HELLO, "protocol": PROTOCOL_VERSION + 1})],
    [packed(**{**HELLO, "protocol": -1})],
    [packed(**{**HELLO, "workers": 10**6})],
    [packed(**{**HELLO, "posture": {"seccomp": {"active": 1, "detail": ""}}})],
    [packed(**{**HELLO, "more": 1})],
    [packed(kind="pull", offered=2**63)],
    [packed(kind="heartbeat", leases=["x" * 201])],
    [packed(kind="heartbeat", leases=[7])],
    [packed(kind="welcome", scheduler="me", heartbeat_seconds=1.0, lease_seconds=1.0)],
    [stamp(), packed(kind="console", batch=1, data=b"x")],
    [stamp(sequence=2**53), packed(kind="finished", batch=1, outcome="ok", error=None, limit=None, snapshot=None)],
    [stamp(epoch=2**53), packed(kind="lost", batch=1, cause="limit", detail="", limit=None)],
    [packed(kind="stamp", lease="", epoch=-1, sequence=-1), packed(kind="console", batch=1, data=b"x")],
    [stamp(), packed(kind="hello")],
    [stamp(), b"\x81"],
    [stamp() * 100, packed(kind="console", batch=1, data=b"x")],
]


def test_garbage_from_an_authorised_executor_stops_nobody(shared_over_tcp: Site) -> None:
    with peer(shared_over_tcp.endpoint, keys_of(shared_over_tcp)) as socket:
        for known in (False, True):
            if known:
                socket.send(packed(**HELLO))
                answer_of(socket, "welcome")
            for frames in GARBAGE:
                socket.send_multipart(frames)
        noise = random.Random(7)  # the same noise in every run
        for _ in range(2_000):
            socket.send_multipart([noise.randbytes(noise.randrange(60)) for _ in range(noise.randrange(1, 4))])
        still_works(shared_over_tcp)
    assert shared_over_tcp.serving is not None
    assert not shared_over_tcp.serving.has_ended
    assert shared_over_tcp.serving.said("refused a message of an executor")


def test_a_frame_beyond_the_greatest_costs_its_sender_the_connection(shared_over_tcp: Site) -> None:
    with peer(shared_over_tcp.endpoint, keys_of(shared_over_tcp)) as socket:
        socket.send(bytes(FRAME_LIMIT + 1))
        still_works(shared_over_tcp)


def test_a_lease_cannot_be_spoken_for_from_another_connection(shared_over_tcp: Site) -> None:
    """Lease names can be guessed: what holds is the connection that a lease was granted to."""
    source = "import time\nprint('begun')\nfor _ in range(20): time.sleep(0.1)\nprint('done')"
    victim = shared_over_tcp.exec_in_background("--json", source=source)
    job = wait_for(lambda: running_job(shared_over_tcp), "the victim's start")
    with peer(shared_over_tcp.endpoint, keys_of(shared_over_tcp)) as socket:
        socket.send(packed(**{**HELLO, "posture": {}}))
        answer_of(socket, "welcome")
        for sequence in range(1, 50):
            for forged in (
                packed(kind="console", batch=1, data=b"forged\n"),
                packed(kind="finished", batch=1, outcome="ok", error=None, limit=None, snapshot=None),
                packed(kind="lost", batch=1, cause="limit", detail="forged", limit=None),
                b"\xc1",
            ):
                socket.send_multipart([stamp(f"{job}.1", 1, sequence), forged])
        out, _ = victim.communicate(timeout=60)
    assert '"console": "begun\\ndone\\n"' in out, out
    assert '"outcome": "ok"' in out


FINISHED = {"outcome": "ok", "error": None, "limit": None, "snapshot": None}
BEFORE_ASKED = {
    "ends two batches at once": [
        packed(kind="finished", batch=1, **FINISHED),
        packed(kind="finished", batch=2, **FINISHED),
    ],
    "ends one and loses the next": [
        packed(kind="finished", batch=1, **FINISHED),
        packed(kind="lost", batch=2, cause="limit", detail="", limit=None),
    ],
    "calls and is lost": [
        packed(kind="call", batch=1, number=0, tool="time.sleep", arguments=b""),
        packed(kind="lost", batch=1, cause="limit", detail="", limit=None),
        packed(kind="console", batch=1, data=b"after the end"),
    ],
    "says nothing that decodes": [b"\xc1", b""],
}


@pytest.mark.parametrize("hurry", BEFORE_ASKED)
def test_an_executor_that_answers_before_it_is_asked_is_its_own_jobs_trouble(over_tcp: Site, hurry: str) -> None:
    scheduler = over_tcp.scheduler()
    active = {"active": True, "detail": ""}
    layers = ("no_new_privs", "rlimits", "seccomp", "landlock", "fds", "environment")
    with peer(over_tcp.endpoint, keys_of(over_tcp)) as socket:
        socket.send(packed(**{**HELLO, "posture": dict.fromkeys(layers, active)}))
        answer_of(socket, "welcome")
        socket.send(packed(kind="pull", offered=1))
        victim = over_tcp.exec_in_background("--json", str(over_tcp.write("print(1)")), str(over_tcp.write("print(2)")))
        granted = answer_of_lease(socket)
        for sequence, message in enumerate(BEFORE_ASKED[hurry], 1):
            socket.send_multipart([stamp(granted["lease"], granted["epoch"], sequence), message])
        socket.send(packed(kind="goodbye"))
        over_tcp.welcomed(over_tcp.executor())
        still_works(over_tcp)
        victim.communicate(timeout=60)
    assert scheduler.process.poll() is None, scheduler.log.read_text()


CLIENT_GARBAGE: list[list[bytes]] = [
    *GARBAGE,
    [packed(kind="ping", request="")],
    [packed(kind="follow", request="r", job="nobody", after=0)],
    [packed(kind="follow", request="r", job="\0", after=2**53)],
    [packed(kind="submit", request="r", job=None, policy=None, limits={}, batches=[])],
    *(
        [packed(kind="submit", request=f"r{i}", job=None, policy=policy, limits=limits, batches=[batch])]
        for batch in ({"name": "\0", "source": b"print()"}, {"name": "x" * 16_000, "source": b"\0\xff"})
        for i, (policy, limits) in enumerate(
            [
                (None, {}),
                (7, {}),
                ({}, {}),
                ({"name": "x", "limits": {}, "required_layers": [["x"]], "imports": [], "tools": []}, {}),
                ({"name": "x", "limits": {"self": 1}, "required_layers": [], "imports": [], "tools": []}, {}),
                ({"name": "\ufffe", "limits": [], "required_layers": {}, "imports": None, "tools": 1}, {}),
                ("default", {"self": 1, "cls": 2, "": None}),
            ]
        )
    ),
]


def test_garbage_at_the_clients_socket_stops_nobody(shared_over_tcp: Site) -> None:
    with peer(f"ipc://{shared_over_tcp.store}/client.sock") as socket:
        for frames in CLIENT_GARBAGE:
            socket.send_multipart(frames)
        socket.send(packed(kind="ping", request="are you there"))
        while answer_of(socket, "alive")["request"] != "are you there":
            pass
    still_works(shared_over_tcp)
    assert shared_over_tcp.serving is not None
    assert not shared_over_tcp.serving.has_ended


def answer_of_lease(socket: zmq.Socket[bytes]) -> dict[str, Any]:
    """Wait for a grant; returns its stamp."""
    while True:
        frames = socket.recv_multipart()
        if len(frames) == 2 and msgpack.unpackb(frames[1])["kind"] == "grant":
            value = msgpack.unpackb(frames[0])
            assert isinstance(value, dict)
            return value


def still_works(site: Site) -> None:
    result = site.exec("--json", source="print(6 * 7)").json
    assert (result["outcome"], result["console"]) == ("ok", "42\n"), result


def keys_of(site: Site) -> Path:
    return site.directory / "config" / "statek" / "keys"


def running_job(site: Site) -> str | None:
    """Name the job that runs, as somebody could guess it or read it in a log."""
    from statek.store.history import History  # the ledger may be read beside its writer

    with History.read(site.store / "ledger.sqlite3") as history:
        return next((job.job for job in history.jobs(("STARTED",)) if job.running and job.running.console_bytes), None)
