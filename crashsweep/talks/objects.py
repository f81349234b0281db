"""Do dbzero's objects of all jobs say what the ledger says? `objects STORE` prints it as JSON, in a process of its own.

Nothing else may have the store open. How many jobs are the same, and of each other one what differs.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dbzero as db0

from crashsweep.told import every_job, told_of
from statek.inspection.store_view import StoreView
from statek.store.directory import StoreDirectory
from statek.store.objects import PREFIX, Root

_SHOWN = 400
"""Characters of a difference."""


def main(store: Path) -> None:
    """Compare, and print."""
    directory = StoreDirectory(store)
    view = StoreView(store)
    db0.init(str(directory.dbzero), read_write=False, autocommit=False)
    db0.open(PREFIX, "r")
    objects = {job.job: told_of(job) for job in db0.fetch(Root).jobs.values()}
    db0.close()
    same, differences = 0, []
    for job in every_job(view):
        found = list(_differences(told_of(job), objects.pop(job.name, None)))
        differences += [f"{job.name}: {text}" for text in found]
        same += not found
    differences += [f"{name} is no job of the ledger" for name in objects]
    print(json.dumps({"same": same, "differences": differences}))


def _differences(ledger: dict[str, Any], objects: dict[str, Any] | None) -> Iterator[str]:
    if objects is None:
        yield "it has no object"
        return
    for name, value in ledger.items():
        if objects[name] != value:
            yield f"{name} is {str(value)[:_SHOWN]} by the ledger, {str(objects[name])[:_SHOWN]} by its object"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
