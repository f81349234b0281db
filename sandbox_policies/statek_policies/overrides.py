"""How one field of a policy is written on a command line: `tools=mail_*,pay`, `imports=`, `on_violation=hold`."""

from statek_policies.errors import InvalidPolicy, UnknownField, shown
from statek_policies.limits import Limits
from statek_policies.policy import FIELDS, PATTERN_FIELDS

SETTABLE = tuple(name for name in FIELDS if name != "limits")
_LISTS = frozenset((*PATTERN_FIELDS, "required_layers"))


def parse_field(text: str) -> tuple[str, str | list[str]]:
    """Read `field=value` as typed by an operator; a list is written with commas, and an empty one as nothing.

    The value is not looked at: whoever puts it into a policy is told what is wrong with it.
    """
    name, equals, value = text.partition("=")
    name = name.strip()
    limit = name.removeprefix("limits.")
    if limit in ("limits", *Limits.names()):
        option = f"--limit {limit if limit != 'limits' else 'NAME'}=VALUE"
        raise InvalidPolicy(f"{shown(name)} is no field to set; a limit is changed by {option}", key=("limits",))
    if name not in SETTABLE:
        raise UnknownField(name, SETTABLE)
    if not equals:
        wanted = "comma-separated values, or nothing for none" if name in _LISTS else "value"
        raise InvalidPolicy(f"write it as {name}=<{wanted}>", key=(name,))
    if name not in _LISTS:
        return name, value.strip()
    return name, [item.strip() for item in value.split(",")] if value.strip() else []
