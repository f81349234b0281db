"""What a guest may do: a policy is a value, its limits are numbers, its language is one strict compile path.

errors    what can be wrong with a policy
limits    the numbers
rules     what a refusal is called, and the layers of the wall
policy    the value that carries all of it, and its form on the wire
profiles  the same as TOML files
language  the compile path, guards and facades (import it on its own: it is heavy)
"""

from statek_policies.errors import (
    InvalidLimit,
    InvalidPolicy,
    PolicyError,
    UnknownField,
    UnknownLimit,
    UnknownProfile,
    UnreadablePolicy,
)
from statek_policies.limits import Limits, parse_limit
from statek_policies.policy import Policy
from statek_policies.rules import BASE_LAYERS, LAYERS, Violation

__all__ = [
    "BASE_LAYERS",
    "LAYERS",
    "InvalidLimit",
    "InvalidPolicy",
    "Limits",
    "Policy",
    "PolicyError",
    "UnknownField",
    "UnknownLimit",
    "UnknownProfile",
    "UnreadablePolicy",
    "Violation",
    "parse_limit",
]
