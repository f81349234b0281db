"""A scheduler's logs as its operator finds them: by environment and file, without what its tools say of their keys."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from integration.services import Site, wait_for

KEY = "sk-live-0123456789abcdef"
NO_PATTERN = "nothing-tells-that-this-is-one"
APP = f"""
import logging

def pay(amount: int) -> int:
    logging.getLogger("application").error("paying %s with %s", amount, {NO_PATTERN!r})
    raise RuntimeError("refused: Authorization: Bearer {KEY}\\nINFO forged")

tools = [pay]
"""


def records(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def test_a_scheduler_writes_its_log_and_one_for_each_job_and_no_secret_in_either(local: Site) -> None:
    logs = local.directory / "logs"
    file = local.write('log_format = "json"\nlog_level = "INFO"\nlogs_path = "logs"\n', "statek.toml")
    local.environment |= {"STATEK_SETTINGS": str(file), "STATEK_MODEL_API_KEY": NO_PATTERN}
    scheduler = local.scheduler("--app", str(local.write(APP, "app.py")))
    local.welcomed(local.executor())
    ran = json.loads(local.exec("--json", source="try:\n    pay(3)\nexcept Exception:\n    1 / 0\n").out)
    assert ran["outcome"] == "error"
    own = logs / f"_{ran['job']}.log"
    wait_for(lambda: "job ended" in own.read_text(), "the job's end in its log")
    scheduler.kill(signal.SIGTERM)
    assert scheduler.wait() == 0
    text = "".join(path.read_text() for path in logs.iterdir())
    assert "paying 3 with ********" in text
    assert "refused: Authorization: ********" in text
    assert KEY not in text
    assert NO_PATTERN not in text
    events = [record["event"] for record in records(own)]
    assert events[0] == "job created"
    assert "batch ended: error: ZeroDivisionError: division by zero (line 4)" in events
    assert all(record["job"] == ran["job"] for record in records(own))
    assert [record for record in records(logs / "statek.log") if record.get("job") == ran["job"]] == records(own)
    assert scheduler.log.read_text().count("\n") == 1  # that it is ready


def test_a_second_scheduler_with_the_same_directory_for_logs_is_refused(local: Site) -> None:
    local.environment |= {"STATEK_LOGS_PATH": str(local.directory / "logs")}
    local.scheduler()
    other = Site(local.directory / "other", local.endpoint, environment=local.environment, commands=local.commands)
    other.directory.mkdir()
    second = other.scheduler()
    assert second.wait() == 2
    assert "another scheduler writes its logs there" in second.log.read_text()


def test_a_scheduler_is_refused_settings_that_it_does_not_know_before_anything_is_made(local: Site) -> None:
    local.environment |= {"STATEK_MAX_PARKD": "1"}
    scheduler = local.scheduler()
    assert scheduler.wait() == 2
    assert "did you mean 'STATEK_MAX_PARKED'?" in scheduler.log.read_text()
    assert not local.store.exists()


def test_an_option_counts_before_the_environment(local: Site) -> None:
    local.environment |= {"STATEK_LOG_LEVEL": "ERROR", "STATEK_COPIES_KEPT": "2"}
    scheduler = local.scheduler("--log-level", "info")
    assert "INFO statek.loop.loop: 0 jobs to go on with" in scheduler.log.read_text()
