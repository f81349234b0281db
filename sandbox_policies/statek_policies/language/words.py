"""Which names a guest may write, and how each attribute name may be read and written.

Every way out of the language that is known starts with a name: a dunder that leads from any object to its class, its
module or its code; an attribute of a frame; a method that reads attributes named in a string. So names are sorted once,
here, and the compile path, the guards and the scan of the code objects all ask the same tables. A dunder is refused
unless it is listed; a listed one does no more than an operator or a call already does.
"""

import types
from enum import Enum
from functools import lru_cache

from RestrictedPython.transformer import INSPECT_ATTRIBUTES

RESERVED_MARK = "@"
"""Guards are called by names that begin with it. No source can spell such a name, so nothing can shadow a guard."""


_REMEMBERED = 4096
"""Names whose answer is kept: a program uses few names, and each of them often."""


class Reading(Enum):
    """How an attribute of this name may be loaded."""

    NATIVE = "native"
    """By plain bytecode, from anything."""
    PRIVATE = "private"
    """From what the guest defined only; the guard lets the object pass, then plain bytecode loads."""
    GUARDED = "guarded"
    """By a guard that looks at the object and at what was found."""
    REFUSED = "refused"
    """Never."""


_COMPARING = "__eq__ __ne__ __lt__ __le__ __gt__ __ge__ __hash__ __bool__"
_SHOWING = "__repr__ __str__ __format__ __bytes__"
_CONTAINING = (
    "__len__ __length_hint__ __contains__ __iter__ __next__ __reversed__ __getitem__ __setitem__ __delitem__ "
    "__missing__"
)
_CALLING = "__init__ __new__ __call__ __enter__ __exit__ __post_init__ __class_getitem__"
_COPYING = "__copy__ __deepcopy__"
_CONVERTING = "__int__ __float__ __complex__ __index__ __round__ __trunc__ __floor__ __ceil__"
_UNARY = "__neg__ __pos__ __abs__ __invert__"
_BINARY = "add sub mul matmul truediv floordiv mod divmod pow lshift rshift and or xor"
_OPERATORS = " ".join(f"__{name}__ __r{name}__ __i{name}__" for name in _BINARY.split())

_OPERATIONS = frozenset(
    " ".join((_COMPARING, _SHOWING, _CONTAINING, _CALLING, _COPYING, _CONVERTING, _UNARY, _OPERATORS)).split()
)
"""Special methods that mean the same as an operator, a call or a statement."""

_ACCESS = frozenset(["__getattr__", "__getattribute__", "__setattr__", "__delattr__"])
"""Special methods that take an attribute's name: a guest may define them, calling them goes through a guard."""

_DESCRIBING = frozenset(
    ["__get__", "__set__", "__delete__", "__set_name__", "__init_subclass__", "__sizeof__", "__dir__"]
)
"""Special methods that a guest may define and only Python calls."""

DEFINABLE = _OPERATIONS | _ACCESS | _DESCRIBING
"""Special methods that a guest's class may define."""

CLASS_CONSTANTS = frozenset({"__slots__", "__match_args__"})
"""Names that a class body may set, to literal text only: Python reads attributes by what they contain."""

MODULE_CONSTANTS = frozenset({"__all__", "__version__", "__author__", "__date__", "__license__"})
"""Dunder names that scripts set for their readers and that mean nothing to Python here."""

READABLE_NAMES = frozenset({"__name__", "__doc__", "__debug__"}) | MODULE_CONSTANTS
"""Dunder names that a guest may load as variables."""

_PLAIN_TEXT = frozenset(
    {
        *("__name__", "__qualname__", "__doc__", "__module__", "__cause__", "__notes__"),
        *("__suppress_context__", "__total__", "__required_keys__", "__optional_keys__"),
    }
)
"""Dunder attributes that hold text, a truth value or an exception."""

_RECORD_NAMES = frozenset(
    {
        "_replace",
        "_asdict",
        "_fields",
        "_make",
        "_field_defaults",
        "_value_",
        "_name_",
        "_missing_",
        "_generate_next_value_",
    }
)
"""The public interface of named tuples and enumerations, for all that it begins with an underscore."""

INITIALISER = "__init__"
"""Read like a private attribute: it makes an existing object anew, from arguments of the caller's choice."""

_OF_OWN_CLASSES = frozenset(
    {
        *("__mro__", "__bases__", "__base__", "__subclasses__"),
        *("__slots__", "__match_args__", "__dataclass_fields__", "__init_subclass__", "__members__"),
    }
)
"""What describes a class, told about the guest's own."""

_GUARDED_DUNDERS = (
    frozenset({"__class__", "__dict__", "__annotations__", "__traceback__", "__wrapped__"}) | _ACCESS | _OF_OWN_CLASSES
)
_GUARDED_PUBLIC = frozenset({"format", "format_map", "obj", "mro", "now", "today", "utcnow", "samples"})
"""`format` reads attributes named in a string; `AttributeError.obj` hands back an object that a guard kept; `type.mro`
lists classes that were not offered; the rest read the clock or chance of the machine."""

STORABLE_DUNDERS = frozenset({"__name__", "__qualname__", "__doc__"})
"""What a decorator sets on the function that it returns."""

_FRAME_PREFIXES = ("f_", "tb_", "co_", "gi_", "cr_", "ag_")
_FRAMELIKE = (
    types.FrameType,
    types.TracebackType,
    types.CodeType,
    types.GeneratorType,
    types.CoroutineType,
    types.AsyncGeneratorType,
)
_LINE = "tb_lineno"
"""The one attribute of a traceback that is no more than a number."""

INSPECTION = (
    frozenset(INSPECT_ATTRIBUTES)
    | {name for kind in _FRAMELIKE for name in dir(kind) if name.startswith(_FRAME_PREFIXES)}
) - {_LINE}
"""Every attribute of frames, tracebacks, code objects and generators that leads on."""


def is_dunder(name: str) -> bool:
    """Tell whether Python reserves the name for itself."""
    return name.startswith("__") and name.endswith("__") and len(name) > 4


@lru_cache(maxsize=_REMEMBERED)
def reading(name: str) -> Reading:
    """Say how an attribute of this name may be loaded."""
    if name.isidentifier() and not name.startswith("_"):
        return _reading_public(name)
    if name in _GUARDED_DUNDERS:
        return Reading.GUARDED
    if name == INITIALISER:
        return Reading.PRIVATE
    if name in _OPERATIONS or name in _PLAIN_TEXT or name in _RECORD_NAMES:
        return Reading.NATIVE
    if is_dunder(name) or not name.isidentifier():
        return Reading.REFUSED
    return Reading.PRIVATE


def _reading_public(name: str) -> Reading:
    if name in INSPECTION or name.endswith("__roles__"):
        return Reading.REFUSED
    return Reading.GUARDED if name in _GUARDED_PUBLIC else Reading.NATIVE


@lru_cache(maxsize=_REMEMBERED)
def is_storable(name: str) -> bool:
    """Tell whether an attribute of this name may be set on what the guest defined."""
    if name in STORABLE_DUNDERS:
        return True
    return name.isidentifier() and not is_dunder(name) and name not in INSPECTION and not name.endswith("__roles__")


def is_matchable(name: str) -> bool:
    """Tell whether Python may read an attribute of this name from anything on behalf of a `match` statement."""
    return name.isidentifier() and not is_dunder(name) and reading(name) is Reading.NATIVE


@lru_cache(maxsize=_REMEMBERED)
def is_bindable(name: str) -> bool:
    """Tell whether a variable, a parameter, a function or an import may have this name."""
    return not is_dunder(name) and not name.endswith("__roles__")


def why_refused(name: str) -> str:
    """Say in one sentence why an attribute of this name is not given, and what to use."""
    instead = WHY_ATTRIBUTE.get(name)
    if instead:
        return f"the attribute {name!r} is not available; {instead}"
    if name in INSPECTION:
        return f"the attribute {name!r} of frames, code and generators is not available; rename your own attribute"
    return (
        f"the attribute {name!r} is not available; use public attributes, operators and built-in functions "
        "such as type(), isinstance(), len() and getattr() with a public name"
    )


WHY_ATTRIBUTE = {
    "__globals__": "pass values as arguments",
    "__builtins__": "built-in functions can be called by name",
    "__context__": "use `raise ... from error` and read __cause__",
    "__code__": "code objects are not offered",
    "__self__": "keep a reference to the object yourself",
    "__func__": "call the function through its class",
    "__reduce__": "use copy.copy() or copy.deepcopy(), or define __copy__",
    "__reduce_ex__": "use copy.copy() or copy.deepcopy(), or define __copy__",
    "__import__": "use an import statement",
    "__origin__": "use typing.get_origin()",
    "__args__": "use typing.get_args()",
    "__closure__": "pass values as arguments",
    "__defaults__": "keep the defaults in variables of your own",
    "__file__": "there are no files",
    "tb_frame": "use traceback.format_exc() or traceback.extract_tb()",
    "tb_next": "use traceback.format_exc() or traceback.extract_tb()",
}
