"""How a policy is written down as TOML that means the same by itself: without `extends`, every field spelt out."""

import json
from collections.abc import Iterable

from statek_policies.policy import Policy


def to_toml(policy: Policy, description: str = "") -> str:
    """Return the text of a file from which the same policy can be loaded."""
    fields = policy.to_wire()
    limits = fields.pop("limits")
    if description:
        fields = {"description": description, **fields}
    settings = [f"{name} = {_value(value)}" for name, value in fields.items()]
    return "\n".join((*settings, "", "[limits]", *(f"{name} = {value}" for name, value in limits.items()), ""))


def _value(value: str | Iterable[str]) -> str:
    if isinstance(value, str):
        return _text(value)
    return f"[{', '.join(map(_text, value))}]"


def _text(text: str) -> str:
    """Write a text as JSON does, which TOML reads alike, but for one character that TOML wants escaped."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
