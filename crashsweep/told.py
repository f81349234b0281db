"""What a job's view from the ledger and its dbzero object each tell, field by field, in one form."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from statek.inspection.store_view import StoreView
    from statek.inspection.views import JobView
    from statek.store.objects import Job

FIELDS: Final = (
    *(
        "job",
        "agent",
        "parent",
        "children",
        "status",
        "outcome",
        "exit_status",
        "policy_name",
        "executor",
        "host",
        "batches",
    ),
    *("next_instr_num", "num_turns", "num_completions", "num_exceptions", "held", "closed", "created_us", "changed_us"),
)
SHARED: Final = {
    "usage": (
        *("cpu_seconds", "wall_seconds", "peak_memory_bytes", "output_bytes", "calls", "input_tokens"),
        *("cached_tokens", "output_tokens", "cost", "unpriced"),
    ),
    "error": ("type", "message", "line"),
    "limit": ("name", "allowed", "used"),
    "awaited_result": ("number", "shape", "function", "key", "deadline_us", "trouble", "failures"),
}
ITEMS: Final = {
    "UserLogItem": ("at_us", "number", "text", "source"),
    "BatchLogItem": ("at_us", "batch", "name", "role", "source", "attempts", "outcome", "ended_us", "error", "limit"),
    "LLM_LogItem": (
        *(
            "at_us",
            "turn",
            "model",
            "provider",
            "attempts",
            "outcome",
            "text",
            "calls",
            "remark",
            "reply",
            "input_tokens",
        ),
        *("cached_tokens", "output_tokens", "cost_micros", "estimated", "seconds", "error", "answered_us"),
    ),
    "SubTaskLogItem": ("at_us", "job", "future", "outcome", "error"),
    "SteeringLogItem": ("at_us", "act", "text"),
    "ToolLogItem": ("batch", "number", "tool", "requested_us", "outcome", "error", "answered_us"),
    "Violation": ("batch", "rule", "detail", "line", "layer"),
}
_PAGE: Final = 1_000
_DIGITS: Final = 9
ITEMS["WarmupLogItem"] = (*ITEMS["BatchLogItem"], "hidden")


def every_job(view: StoreView) -> Iterator[JobView]:
    """Walk over all jobs of a store that are not forgotten."""
    after: int | None = 0
    while after is not None:
        page = view.find(after=after, limit=_PAGE)
        yield from page.jobs
        after = page.after


def told_of(job: JobView | Job) -> dict[str, Any]:
    """Tell everything of a job that both have."""
    told = {name: getattr(job, name) for name in FIELDS}
    told |= {name: _parts(getattr(job, name), name) for name in SHARED}
    told |= {log: [_item(item) for item in getattr(job, log)] for log in ("chat_log", "tool_log", "violations")}
    return told | {
        "console": job.py_env.console,
        "of batches": [job.py_env.console_of(batch) for batch in range(1, job.batches + 1)],
        "push_log": job.py_env.push_log,
    }


def _item(item: object) -> dict[str, Any]:
    kind = type(item).__name__
    return {"kind": kind} | {name: _parts(getattr(item, name), name) for name in ITEMS[kind]}


def _parts(value: Any, name: str) -> Any:
    if name in SHARED and value is not None:
        return tuple(_rounded(getattr(value, part)) for part in SHARED[name])
    return list(value) if isinstance(value, tuple) else value


def _rounded(value: Any) -> Any:
    """Leave out the last digits of a sum, which depend on the order of what was added."""
    return round(value, _DIGITS) if isinstance(value, float) else value
