"""Any bytes as source, through real services: a verdict in time, and the job goes on with its next batch."""

from __future__ import annotations

import pytest
from integration.services import Site

VERDICT_SECONDS = 1.0
"""Of the interpreter's processor time, which other load on the machine does not lengthen."""

SOURCES: dict[str, tuple[bytes, set[str]]] = {
    "fields": (b"x = f'" + b"{a}" * 60_000 + b"'", {"error"}),
    "brackets": (b"(" * 190_000, {"error"}),
    "minus": (b"x = " + b"-" * 190_000 + b"1", {"error"}),
    "attributes": (b"x" + b"._a" * 60_000, {"error", "limit"}),
    "imports": (b"import " + b"math," * 30_000 + b"math", {"limit"}),
    "eight megabytes": (b"x = '" + b"a" * 8_000_000 + b"'", {"limit"}),
    "no text": (b"\xff\xfe" * 1_000, {"error"}),
    "another encoding": (b"# coding: utf-7\nx = 1", {"ok"}),
}

SEEN_BY_THE_COMMAND = ("eight megabytes", "no text")
"""What `statek exec` does not even send."""


@pytest.mark.parametrize("kind", SOURCES)
def test_a_source_gets_its_verdict_in_time_and_the_job_goes_on(shared: Site, kind: str) -> None:
    source, outcomes = SOURCES[kind]
    run = shared.exec("--json", source=source)
    if run.status == 2:
        assert kind in SEEN_BY_THE_COMMAND, run.err
        return
    told = run.json
    assert told["outcome"] in outcomes, told
    assert told["usage"]["cpu_seconds"] < VERDICT_SECONDS
    after = shared.exec("--json", "--job", told["job"], source=b"print('on')")
    assert (after.status, after.json["console"]) == (0, "on\n")
