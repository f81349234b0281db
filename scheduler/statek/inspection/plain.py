"""A job, and the entries of its logs, in a form that JSON has.

Instants are texts of ISO 8601 in UTC, amounts of money texts of decimal numbers, and what is no UTF-8 in a text becomes
escapes, so that every text can be sent.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from decimal import Decimal
from typing import Any, Final

from statek.agents.excerpts import sendable
from statek.inspection import chat_log
from statek.inspection.shapes import instant
from statek.inspection.views import JobView

KINDS: Final[dict[type, str]] = {
    chat_log.UserLogItem: "user",
    chat_log.BatchLogItem: "batch",
    chat_log.WarmupLogItem: "warmup",
    chat_log.LLM_LogItem: "model",
    chat_log.SubTaskLogItem: "subtask",
    chat_log.SteeringLogItem: "steering",
}
"""What an entry of the chat log says under `kind`."""
_LOGS: Final = ("chat_log", "tool_log", "violations")
OF_JOB: Final = (
    *("name", "agent", "parent", "status", "outcome", "exit_status", "error", "limit", "usage", "next_instr_num"),
    *("awaited_result", "batches", "num_turns", "num_completions", "num_exceptions", "held", "closed", "transient"),
    *("bounds", "children", "policy_name", "executor", "host", "created", "changed"),
)
"""The properties of a job that are written even without its logs."""


def plain_job(view: JobView, *, logs: bool) -> dict[str, Any]:
    """Write a job, with its logs or without."""
    told = {name: plain(getattr(view, name)) for name in OF_JOB}
    if logs:
        told |= {name: plain(getattr(view, name)) for name in _LOGS}
        told["py_env"] = {"console": plain(view.py_env.console), "push_log": plain(view.py_env.push_log)}
    return told


def plain(value: Any) -> Any:
    """Write what a view gives: an entry of a log, a page of entries, or a field."""
    if is_dataclass(value) and not isinstance(value, type):
        return _plain_fields(value)
    match value:
        case str():
            return sendable(value)
        case bytes():
            return value.decode("utf-8", "backslashreplace")
        case dict():
            return {str(key): plain(part) for key, part in value.items()}
        case list() | tuple():
            return [plain(part) for part in value]
        case Decimal():
            return str(value)
    return value.isoformat() if hasattr(value, "isoformat") else value


def _plain_fields(value: Any) -> dict[str, Any]:
    told: dict[str, Any] = {"kind": KINDS[type(value)]} if type(value) in KINDS else {}
    for field in fields(value):
        part = getattr(value, field.name)
        if is_instant(field.name):
            told[field.name.removesuffix("_us")] = None if part is None else instant(part).isoformat()
        else:
            told[field.name] = plain(part)
    if hasattr(value, "cost"):
        told["cost"] = str(value.cost)
    return told


def is_instant(field: str) -> bool:
    """Tell whether a field of that name has an instant, in microseconds, which is written as text without the `_us`."""
    return field.endswith("_us")
