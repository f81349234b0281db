"""One conversation as the sweep sees it: how far it is, and what is to be done for it from outside next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crashsweep.talks.errands import ActName
from crashsweep.talks.tale import Act, Note, Tale, tale
from statek.core.jobs import OVER, Conversation, Job

MODEL_FAILED = "ModelFailed"


@dataclass(frozen=True, slots=True)
class Wish:
    """Something to be done for a conversation; an errand once it has a number."""

    act: ActName
    target: str
    key: str = ""
    value: Any = None


class Telling:
    """Knows what was asked for already, so that nothing is wished for twice."""

    def __init__(self, number: int) -> None:
        self.tale: Tale = tale(number)
        self.job = ""
        """Empty as long as there is none."""
        self.errands: set[int] = set()
        """Those that nobody has reported of yet."""
        self.notes: list[Note] = []
        """Those that were pushed."""
        self.cancelled = False
        self._completed: set[str] = set()
        self._retried = -1
        """How often it had been revived when it was tried again last."""

    def __str__(self) -> str:
        return f"conversation {self.job or 'without a job'} (tale {self.tale.number})"

    def begin(self) -> Iterator[Wish]:
        """Yield what makes a job of it."""
        if self.tale.early:
            for act in self.tale.approvals:
                yield from self._values(act)
        how: ActName = "event" if self.tale.by_event else "submit"
        yield Wish(how, self.tale.agent, f"tale/{self.tale.number}", {"tale": self.tale.number})

    def wishes(self, job: Job) -> Iterator[Wish]:
        """Yield what is to be done now that its job is so far."""
        talk = job.conversation or Conversation()
        yield from self._notes_due(job, talk)
        if job.awaited is not None:
            yield from self._values_due(job)
        if job.status == "DONE":
            yield from self._retries_due(job, talk)
        elif self.tale.cancelled_in is not None and talk.turn > self.tale.cancelled_in and not self.cancelled:
            self.cancelled = True
            yield Wish("cancel", self.job)

    def has_ended(self, job: Job) -> bool:
        """Tell whether nothing comes any more."""
        talk = job.conversation or Conversation()
        told = talk.messages >= len(self.notes) == len(self.tale.notes)
        return job.status in OVER and told and not self.errands and not _model_failed(job)

    def _notes_due(self, job: Job, talk: Conversation) -> Iterator[Wish]:
        moment = "ended" if job.status == "DONE" else "waiting" if job.status == "SUSPENDED" else "running"
        for note in self.tale.notes:
            due = moment in (note.moment, "ended") and (talk.turn > 0 or moment == "ended")
            if due and note not in self.notes:
                self.notes.append(note)
                yield Wish("message", self.job, f"{self.tale.number}/{note.number}", note.text)

    def _values_due(self, job: Job) -> Iterator[Wish]:
        assert job.awaited is not None
        entry = job.future(job.awaited.future.number)
        for act in self.tale.approvals:
            if entry is not None and entry.key == act.key not in self._completed:
                yield from self._values(act)

    def _values(self, act: Act) -> Iterator[Wish]:
        """Bring a value from outside, and another one after it that must not count."""
        self._completed.add(act.key)
        yield Wish("complete", act.key, "", act.value)
        yield Wish("complete", act.key, "", -1)

    def _retries_due(self, job: Job, talk: Conversation) -> Iterator[Wish]:
        if _model_failed(job) and self._retried < talk.completions:
            self._retried = talk.completions
            yield Wish("retry", self.job)


def _model_failed(job: Job) -> bool:
    """Tell whether it ended for want of a reply, after which it is tried again."""
    return job.outcome == "failed" and job.error is not None and job.error.type == MODEL_FAILED
