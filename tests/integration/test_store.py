"""The store's commands on a store of real schedulers: checked, backed up while in use, damaged, and gone on with."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from integration.services import Run, Site, wait_for

EXAMPLE = Path(__file__).parents[2] / "examples" / "calendar"
MOVE = 'meeting = calendar.find_meeting("planning")\nmeeting.move_to(calendar.find_open_slots(today)[0])\n'
SHOW = 'print(calendar.find_meeting("planning").moves)\n'


def statek(site: Site, *arguments: str) -> Run:
    command = [*site.python, "-m", "statek", *arguments]
    ended = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, env=site._environment())
    return Run(ended.returncode, ended.stdout, ended.stderr)


def check(site: Site, store: Path) -> dict[str, str]:
    run = statek(site, "store", "check", "--store", str(store), "--json")
    return {finding["part"]: finding["state"] for finding in run.json["findings"]}


def with_app(site: Site, source: str) -> Run:
    return site.exec("--app", str(EXAMPLE / "app.py"), source=source)


def test_a_store_in_use_is_backed_up_and_the_restored_one_goes_on(local: Site, tmp_path: Path) -> None:
    scheduler = local.scheduler("--app", str(EXAMPLE / "app.py"), "--copy-seconds", "0.2")
    local.welcomed(local.executor())
    assert local.exec(source=MOVE).status == 0
    wait_for(lambda: list((local.store / "copies").glob("calendar/*/copy.json")), "a copy")
    assert set(check(local, local.store).values()) == {"good", "unknown"}
    made = statek(local, "backup", "--store", str(local.store), str(tmp_path / "backup"))
    assert (made.status, made.err) == (0, "")
    assert scheduler.process.poll() is None
    restored = tmp_path / "restored"
    assert statek(local, "restore", "--store", str(restored), str(tmp_path / "backup")).status == 0
    assert set(check(local, restored).values()) == {"good"}


def test_a_damaged_prefix_is_put_back_and_the_calls_since_are_on_record(local: Site) -> None:
    assert with_app(local, SHOW).out == "0\n"
    kept = {file: file.read_bytes() for file in (local.store / "copies").rglob("*") if file.is_file()}
    moved = with_app(local, MOVE)
    assert moved.status == 0, moved.err
    for place in (local.store / "copies" / "calendar").iterdir():
        if place / "copy.json" not in kept:  # as if the scheduler had been killed before it could copy
            for file in place.iterdir():
                file.unlink()
            place.rmdir()
    prefix = local.store / "dbzero" / "calendar.db0"
    prefix.write_bytes(prefix.read_bytes()[:5_000])
    assert check(local, local.store)["prefix calendar"] == "damaged"
    assert with_app(local, SHOW).out == "0\n"
    [report] = (local.store).glob("dbzero.damaged-*/recovery.json")
    assert [call.partition(" ")[2] for call in json.loads(report.read_text())["calls"]] == [
        *("object.invoke", "object.invoke", "object.invoke")
    ]
    told = statek(local, "audit", "--store", str(local.store), "--kind", "store_set_aside", "--json").out
    [record] = told.splitlines()
    assert "calendar" in record
    assert statek(local, "store", "check", "--store", str(local.store)).status == 0
