"""Whether everything came out as it should: one finding for each job, and one for what the tools left behind."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from demo.expected import EXPECTED, report_texts
from demo.following import RESULT, Course

ESCAPED: Final = b"escaped:"
"""What the hostile programs print when one of their attempts succeeds."""
TOLERANCE: Final = 1e-9

_FATE: Final = {
    "limit": "stopped at its limit of",
    "blocked": "stopped by",
    "error": "ended by",
    "ok": "came to its end, every attempt refused by",
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One check and how it came out."""

    good: bool
    text: str


def findings(alone: Sequence[Course], together: Sequence[Course], reports: Path) -> Iterator[Finding]:
    """Judge the honest jobs of both rounds, the hostile ones, and the reports."""
    beside = {course.job.name: course for course in together}
    for course in alone:
        yield _honest(course.job.name, (course, beside[course.job.name]))
    for course in together:
        if course.job.hostile:
            yield _hostile(course)
    yield _reports([course for course in (*alone, *together) if course.job.name == "yearly_report"], reports)


def _honest(name: str, courses: Iterable[Course]) -> Finding:
    expected = json.loads(json.dumps(EXPECTED[name]()))
    for where, course in zip(("alone", "beside the hostile ones"), courses, strict=True):
        problem = _unsuccessful(course) or _difference(result_of(course), expected)
        if problem is not None:
            return Finding(False, f"{name}, {where}: {problem}")
    return Finding(True, f"{name}: both times the value that plain CPython computes")


def _unsuccessful(course: Course) -> str | None:
    if course.trouble is not None or course.outcome is None:
        return course.trouble or "never submitted"
    if not course.outcome.ended or course.outcome.outcome != "ok":
        return f"{course.outcome.outcome}: {course.outcome.error or course.outcome.limit or course.outcome.violations}"
    return None


def result_of(course: Course) -> object:
    """Return the value that the program printed last, None if it printed none."""
    assert course.outcome is not None
    lines = course.outcome.console.decode("utf-8", "backslashreplace").splitlines()
    if not lines or not lines[-1].startswith(RESULT):
        return None
    return json.loads(lines[-1].removeprefix(RESULT))


def _difference(got: object, expected: object, place: str = "result") -> str | None:
    """Name the first place where two JSON values differ; floats may differ in their last digits."""
    match got, expected:
        case dict(), dict() if got.keys() == expected.keys():
            return next(filter(None, (_difference(got[k], expected[k], f"{place}[{k!r}]") for k in got)), None)
        case list(), list() if len(got) == len(expected):
            pairs = enumerate(zip(got, expected, strict=True))
            return next(filter(None, (_difference(a, b, f"{place}[{i}]") for i, (a, b) in pairs)), None)
        case ((int() | float()), (int() | float())) if math.isclose(got, expected, rel_tol=TOLERANCE):
            return None
    return None if got == expected else f"{place} is {got!r}, not {expected!r}"[:300]


def _hostile(course: Course) -> Finding:
    name, ending, outcome = course.job.name, course.job.ending, course.outcome
    if course.trouble is not None or outcome is None or not outcome.ended:
        return Finding(False, f"{name}: {course.trouble or 'did not end'}")
    if ESCAPED in outcome.console:
        return Finding(False, f"{name}: got out")
    marks = marks_of(course)
    if outcome.outcome not in ending.outcomes or (ending.mark is not None and ending.mark not in marks):
        wanted = " or ".join(ending.outcomes) + (f" by {ending.mark}" if ending.mark else "")
        return Finding(False, f"{name}: {outcome.outcome} by {', '.join(marks) or 'nothing'}, not {wanted}")
    return Finding(True, f"{name}: {_FATE[str(outcome.outcome)]} {', '.join(marks)}")


def marks_of(course: Course) -> list[str]:
    """Name what stopped or refused the job: the limit, the rules, or the error that it met."""
    outcome = course.outcome
    if outcome is None:
        return []
    marks = [] if outcome.limit is None else [outcome.limit["name"]]
    marks += dict.fromkeys(violation["rule"] for violation in outcome.violations)
    return marks or ([] if outcome.error is None else [outcome.error["type"]])


def _reports(courses: Sequence[Course], directory: Path) -> Finding:
    """Each of these jobs must have handed in each report once, and the text must be right."""
    for course in courses:
        job = course.outcome.job if course.outcome else "-"
        texts = sorted(path.read_text("utf-8") for path in directory.glob(f"*-{job}-*.txt"))
        if texts != sorted(report_texts()):
            return Finding(False, f"reports of {job}: {len(texts)} files, or their text is wrong")
    return Finding(True, f"save_report: {len(list(directory.iterdir()))} reports, each written once and as expected")
