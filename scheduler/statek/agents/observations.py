"""What a model is told of the batch that its code became: short, useful, and nothing of the host. Pure.

What the guest printed stands between two tags that it cannot print itself, so that nothing it prints can pass for a
remark of the runtime's. Then follow a few lines on what went wrong, and what to do instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from statek.agents.excerpts import Excerpt, excerpt
from statek.agents.tags import tagged
from statek.agents.transcript import Observation, Violation
from statek.audit.escaping import shortened, shown
from statek.core.events import BatchEnded, BatchSkipped, ConsolePrinted, Event, PolicyViolated, Progress
from statek_policies.explanations import limits, rules
from statek_protocol.messages.interpreter import GuestError, LimitBreach

CONSOLE_BYTES: Final = 16 * 1024
"""Of one batch's output that an observation keeps."""
_MESSAGE_CHARACTERS: Final = 1_000
_LINE_CHARACTERS: Final = 200
_BEFORE_IT_RAN: Final = frozenset({"SyntaxError", "IndentationError", "TabError"})
_NAMED: Final = 10
"""Violations, or values that are not kept, that are told one by one."""
_UNITS: Final = {"seconds": " s", "bytes": " bytes"}


def observe(
    events: Iterable[Event], batch: int, source: str, *, call: str = "", console_bytes: int = CONSOLE_BYTES
) -> Observation:
    """Sum up the events of that batch; those of others are passed over, so a job's whole history will do.

    A batch that was neither ended nor skipped was cancelled as far as its model is concerned.
    """
    console = bytearray()
    violations: list[Violation] = []
    ended: BatchEnded | None = None
    skipped = False
    for event in events:
        if getattr(event, "batch", None) != batch:
            continue
        if isinstance(event, ConsolePrinted) and event.stream == "output":
            console += event.data
        elif isinstance(event, PolicyViolated):
            violations.append(Violation(event.rule, event.detail, event.line, event.layer))
        elif isinstance(event, BatchEnded):
            ended = event
        skipped = skipped or isinstance(event, BatchSkipped)
    return Observation(
        excerpt(bytes(console), console_bytes),
        ended.outcome if ended is not None else "cancelled",
        source,
        call,
        ended.error if ended is not None else None,
        ended.limit if ended is not None else None,
        ended.progress if ended is not None else None,
        tuple(violations),
        ended.transient if ended is not None else (),
        skipped,
    )


def describe(observation: Observation, limit_bytes: int | None = None) -> str:
    """Return the text that the model gets; with a limit, no more of output and of remarks than that many bytes each."""
    if observation.skipped:
        return "Not run: the code before it in the same reply did not end as it should."
    console, remarks = observation.console, "\n".join((*_end(observation), *_not_kept(observation)))
    if limit_bytes is not None:
        console, remarks = console.shortened(limit_bytes), str(excerpt(remarks, limit_bytes))
    return "\n".join(filter(None, (boxed(console), remarks))) or "Done; it printed nothing."


def boxed(console: Excerpt) -> str:
    """Return what was printed between its tags, or nothing if nothing was."""
    lines = str(console).split("\n")
    return tagged("output", "\n".join(shown(line, keep="\t") for line in lines)) if lines != [""] else ""


def _end(observation: Observation) -> list[str]:
    refusals = [line for violation in observation.violations[:_NAMED] for line in _refusal(violation, observation)]
    if len(observation.violations) > _NAMED:
        refusals.append(f"and {len(observation.violations) - _NAMED} more refusals.")
    if observation.outcome == "blocked" and all(found.layer == "compile" for found in observation.violations):
        refusals.append("Nothing of this code ran.")
    limit = observation.limit
    if limit is not None:
        return [*refusals, *_limit(limit, observation.progress)]
    if observation.outcome == "cancelled":
        return [*refusals, "It was cancelled before it came to its end."]
    if observation.outcome == "failed":
        return [*refusals, *_failure(observation.error)]
    return [*refusals, *(_error(observation.error, observation) if observation.error is not None else [])]


def _error(error: GuestError, observation: Observation) -> list[str]:
    message = _brief(error.message, _MESSAGE_CHARACTERS)
    text = f"{_brief(error.type)}: {message}" if message else _brief(error.type)
    kept = [] if error.type in _BEFORE_IT_RAN else ["What was assigned before that is kept."]
    return [text, *_quoted_line(error.line, observation.source), *kept]


def _failure(error: GuestError | None) -> list[str]:
    """Tell of an end that was our side's; its text is ours as well."""
    reason = f" ({_brief(error.message, _MESSAGE_CHARACTERS)})" if error is not None else ""
    return [
        f"The code could not be run to its end{reason}. This is no error of the code's; variables may lack what it did."
    ]


def _refusal(violation: Violation, observation: Observation) -> list[str]:
    rule = rules().get(violation.rule)
    lines = [f"Refused ({_brief(violation.rule)}): {_brief(violation.detail, _MESSAGE_CHARACTERS)}"]
    lines += _quoted_line(violation.line, observation.source)
    advice = _advice(rule.instead) if rule is not None else ""
    return [*lines, f"  Instead: {advice}"] if advice else lines


def _advice(instead: str) -> str:
    """Leave out what is written for people: our commands, and words about a refusal that says it already."""
    parts = (part for part in instead.split("; ") if "statek" not in part.lower() and "the refusal" not in part)
    return "; ".join(parts)


def _limit(limit: LimitBreach, progress: Progress | None) -> list[str]:
    explained = limits().get(limit.name)
    unit = _UNITS.get(limit.name.rpartition("_")[2], "")
    used = f"{_number(limit.allowed)}{unit} allowed, {_number(limit.used)}{unit} used"
    lines = [f"Limit {_brief(limit.name)} reached ({explained.bounds if explained else 'a bound'}): {used}."]
    if progress is not None:
        lines.append(_progress(progress))
    advice = _advice(explained.instead) if explained is not None else ""
    return [*lines, f"Instead: {advice}"] if advice else lines


def _progress(progress: Progress) -> str:
    by_name = [f"{_brief(name)} {count}" for name, count in progress.calls_by_name.items()][:_NAMED]
    calls = f"{progress.calls} calls" + (f" ({', '.join(by_name)})" if by_name else "")
    return f"Until then: {progress.printed_lines} lines ({progress.printed_bytes} bytes) printed, {calls} made."


def _not_kept(observation: Observation) -> list[str]:
    """Name what the next code will not find any more."""
    if not observation.transient:
        return []
    named = [
        f"{_brief(value.name)} ({_brief(value.type)}: {_brief(value.reason)})"
        for value in observation.transient[:_NAMED]
    ]
    more = len(observation.transient) - len(named)
    return [f"Not kept for your next code: {', '.join(named)}{f' and {more} more' if more else ''}."]


def _quoted_line(line: int | None, source: str) -> list[str]:
    """Give the number and the text of a line of the code; a line that is not there is a hostile guest's claim."""
    text = _line_of(source, line) if line is not None else None
    return [] if text is None else [f"  line {line}: {_brief(text.strip())}"]


def _line_of(source: str, line: int) -> str | None:
    """Count lines as Python does: a form feed or a separator of paragraphs ends none."""
    found = source.replace("\r\n", "\n").replace("\r", "\n").split("\n")
    return found[line - 1] if 0 < line <= len(found) else None


def _brief(text: str, characters: int = _LINE_CHARACTERS) -> str:
    return shown(shortened(text, characters))


def _number(value: float) -> str:
    return f"{value:,.3f}".rstrip("0").rstrip(".") if value % 1 else f"{value:,.0f}"
