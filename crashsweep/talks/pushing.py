"""The process that does a sweep's errands from outside, through what applications use: `pushing DIRECTORY STORE`.

What was not acknowledged is asked for again, by this process or by the next one after it was killed; one errand in
three is asked for again after it was acknowledged. Errands with the same target are done in their order.
"""

from __future__ import annotations

import queue
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any, Final
from zlib import crc32

from crashsweep.talks.errands import Errand, Lines, Report, errands_file, reports_file
from statek import PushQueue, cancel_job, complete_future, retry_job, submit_new_job
from statek.errors import SchedulerSilent, SubmissionRefused

LANES: Final = 4
"""Errands that are done at once."""
LOOK_EVERY_SECONDS: Final = 0.05
AGAIN_EVERY: Final = 3
QUEUE_FULL: Final = "queue_full"


def do(errand: Errand, store: Path) -> Any:
    """Do an errand; returns what it was answered with."""
    match errand.act:
        case "event":
            return PushQueue(store=store).push_to_agent_queue(errand.target, errand.value, key=errand.key)
        case "submit":
            return submit_new_job(errand.target, {"event": errand.value}, key=errand.key, store=store).name
        case "message":
            return PushQueue(store=store).push_to_job_console(errand.target, errand.value, key=errand.key)
        case "complete":
            return complete_future(errand.target, errand.value, store=store).outcome
        case "cancel":
            return cancel_job(errand.target, "the sweep wants it", store=store)
        case "retry":
            return retry_job(errand.target, store=store)


class Lane(threading.Thread):
    """Does some of the errands, one after the other."""

    def __init__(self, store: Path, reports: Lines) -> None:
        super().__init__(daemon=True)
        self._store, self._reports = store, reports
        self.errands: queue.SimpleQueue[Errand] = queue.SimpleQueue()

    def run(self) -> None:
        while True:
            errand = self.errands.get()
            self._do(errand, again=False)
            if errand.key and errand.number % AGAIN_EVERY == 0:
                self._do(errand, again=True)

    def _do(self, errand: Errand, *, again: bool) -> None:
        """Do an errand until somebody takes it, and report."""
        refusals = 0
        while True:
            try:
                result = do(errand, self._store)
            except SchedulerSilent:
                continue
            except SubmissionRefused as refused:
                if refused.code == QUEUE_FULL:
                    refusals += 1
                    time.sleep(LOOK_EVERY_SECONDS)
                    continue
                self._reports.append(Report(errand.number, error=str(refused), again=again))
            except Exception:  # noqa: BLE001 - it is the sweep's finding
                self._reports.append(Report(errand.number, error=traceback.format_exc(), again=again))
            else:
                self._reports.append(Report(errand.number, result, "", again, refusals))
            return


def run(directory: Path, store: Path) -> None:
    """Do errands for ever: those that nobody has reported of yet, and those that come."""
    reports = Lines(reports_file(directory))
    done = {line["errand"] for line in reports.news()}
    lanes = [Lane(store, reports) for _ in range(LANES)]
    for lane in lanes:
        lane.start()
    wanted = Lines(errands_file(directory))
    while True:
        for line in wanted.news():
            errand = Errand(**line)
            if errand.number not in done:
                lanes[crc32(errand.target.encode()) % LANES].errands.put(errand)
        time.sleep(LOOK_EVERY_SECONDS)


if __name__ == "__main__":
    run(Path(sys.argv[1]), Path(sys.argv[2]))
