"""What a guest may do: a policy is a value, its limits are numbers, its language is one strict compile path.

errors    what can be wrong with a policy
limits    the numbers
rules     what a refusal is called and can lead to, and the layers of the wall
features offered patterns    what there is to offer, and how a policy names some of it
policy    the value that carries all of it, and its form on the wire
overrides  one field of it on a command line
profile_files policy_files toml_keys profiles/    the same as TOML files, each extending another
comparing explanations    what people ask about policies
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
from statek_policies.overrides import parse_field
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
    "parse_field",
    "parse_limit",
]
