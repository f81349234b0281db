"""Does the dbzero store open, and is everything in it? Asked in a process of its own, which a broken store may kill.

`python -m statek.store.probe DIRECTORY` opens the objects read-only, touches every one, and prints one line of JSON.
Damaged stores have been seen that open and then lose a few entries without an error, therefore the counting.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Final

import dbzero as db0

from statek.store import awaited, chat_items
from statek.store.objects import PREFIX, Job, Root

EMPTY: Final = {"format": None, "counted": 0, "in_dict": 0, "by_type": 0, "cursor": 0, "checksum": 0}
"""What is told of a store that was made and never committed to."""
_OURS: Final = (Root.__module__, chat_items.__name__, awaited.__name__)
"""Where the classes of the objects are that the ledger has."""


def main(arguments: Sequence[str]) -> None:
    """Print the findings, or fail as dbzero fails: the traceback and the exit status tell it."""
    (directory,) = arguments
    db0.init(directory, read_write=False, autocommit=False)
    db0.open(PREFIX, "r")
    print(json.dumps(_findings()))
    db0.close()


def _findings() -> dict[str, int | None]:
    if not db0.exists(Root):
        return {**EMPTY, "foreign": count_foreign()}
    root = db0.fetch(Root)
    for job in root.jobs.values():
        _touch(job)
    return {
        "format": root.format,
        "counted": root.job_count,
        "in_dict": sum(1 for _ in root.jobs),
        "by_type": sum(1 for job in db0.find(Job) if job.status != "FORGOTTEN"),
        "cursor": root.cursor,
        "checksum": root.checksum,
        "foreign": count_foreign(),
    }


def count_foreign() -> int:
    """Count the classes of objects in our prefix that are not ours: the application's, or markers of changes."""
    return sum(1 for cls in db0.get_memo_classes(PREFIX) if cls.module not in _OURS)


def _touch(job: Job) -> None:
    """Read something of every object that belongs to the job."""
    for _ in job.py_env.chunks:
        pass
    for call in job.tool_log:
        _ = call.outcome
    for item in job.chat_log:
        _ = item.at_us
    _ = (job.status, job.usage.calls, job.error and job.error.line, len(job.violations))


if __name__ == "__main__":
    main(sys.argv[1:])
