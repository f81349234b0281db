"""A second, independent look at the finished code objects: proves that no raw store and no forbidden name survived.

The transformer works on the tree; this works on the bytecode that really runs and shares with it only the tables of
names and the shape of a guarded place (nodes.py). It must never find anything: what it finds is a fault of the
transformer, and the source is refused. Written for CPython 3.11; an operation that is not listed is refused.
"""

import opcode
import types
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from functools import lru_cache
from inspect import CO_OPTIMIZED

from statek_policies.language.boundaries import BOUNDARY
from statek_policies.language.nodes import GUARD_NAMES, GUESTS, NAME, TYPE
from statek_policies.language.words import (
    CLASS_CONSTANTS,
    DEFINABLE,
    MODULE_CONSTANTS,
    READABLE_NAMES,
    RESERVED_MARK,
    Reading,
    is_bindable,
    is_dunder,
    is_matchable,
    is_storable,
    reading,
)
from statek_policies.rules import Violation

_FORBIDDEN = (
    "IMPORT_NAME IMPORT_FROM IMPORT_STAR PRINT_EXPR GET_AWAITABLE GET_AITER GET_ANEXT BEFORE_ASYNC_WITH "
    "END_ASYNC_FOR ASYNC_GEN_WRAP PREP_RERAISE_STAR CHECK_EG_MATCH"
)
_CODES = {name: code for name, code in opcode.opmap.items() if name not in _FORBIDDEN.split()}
_ALLOWED = frozenset(_CODES.values())

_CALL, _PRECALL, _KW_NAMES, _LOAD_CONST = (_CODES[name] for name in ("CALL", "PRECALL", "KW_NAMES", "LOAD_CONST"))
_COPY, _SWAP, _BINARY_OP = (_CODES[name] for name in ("COPY", "SWAP", "BINARY_OP"))
_CONTAINS, _JUMP_IF_FALSE = _CODES["CONTAINS_OP"], _CODES["POP_JUMP_FORWARD_IF_FALSE"]
_CACHE, _EXTENDED, _MATCH_CLASS = _CODES["CACHE"], _CODES["EXTENDED_ARG"], _CODES["MATCH_CLASS"]
_LOAD_NAME, _LOAD_GLOBAL = _CODES["LOAD_NAME"], _CODES["LOAD_GLOBAL"]
_LOADS = frozenset({_CODES["LOAD_ATTR"], _CODES["LOAD_METHOD"]})
_STORES = frozenset({_CODES["STORE_ATTR"], _CODES["DELETE_ATTR"]})
_BINDERS = frozenset(_CODES[name] for name in ("STORE_NAME", "STORE_GLOBAL", "DELETE_NAME", "DELETE_GLOBAL"))
_FORWARD_JUMPS = frozenset(
    code for name, code in _CODES.items() if code in opcode.hasjrel and "BACKWARD" not in name and name != "SEND"
)
_BACKWARD_JUMPS = frozenset(code for name, code in _CODES.items() if code in opcode.hasjrel and "BACKWARD" in name)
_NAMING = _LOADS | _STORES | _BINDERS | {_LOAD_NAME}
_CAREFUL = _STORES | {_MATCH_CLASS, _EXTENDED} | (set(range(256)) - _ALLOWED)
"""Operations of which the surroundings count."""
_CAREFREE = bytes(set(range(256)) - _CAREFUL)
_FIRST_LOADED = bytes([_LOAD_NAME, 0])
_FIRST_JUMPED_AT = bytes([_LOAD_NAME, 0, _JUMP_IF_FALSE])
"""The first of a code object's names is loaded; it is loaded, and a jump takes its value."""
_OTHER_NAMING = bytes(1 if byte in _NAMING - {_LOAD_NAME} else 2 if byte else 0 for byte in range(256))
_FIRST_OTHERWISE = bytes([1, 0])
"""What code looks like in which something else is done with its first name, when it is translated by this table."""
_INPLACE = 13
"""BINARY_OP's argument from which on it is `+=` and its like."""

_SET_BY_COMPILER = frozenset({"__module__", "__qualname__", "__annotations__", "__doc__", "__classcell__"})
_READ_BY_COMPILER = frozenset({"__name__", "__annotations__", "__class__"})
"""What the compiler itself binds and loads in a class body."""

_REMEMBERED = 4096
"""Names of which it is remembered what was found out; a guest can make up as many as it likes."""

_EVIDENCE = (NAME,)
_Step = tuple[int, int, int]
"""Operation, argument, offset of the operation in the code."""


def scan(code: types.CodeType) -> list[Violation]:
    """Look through a code object and all that it contains; a sound one gives an empty list."""
    found: list[Violation] = []
    waiting = [(code, Scope.BATCH)]
    while waiting:
        code, scope = waiting.pop()
        if not is_plain(code, scope):
            found += Look(code, scope).violations()
        waiting += [(const, _scope_of(const)) for const in code.co_consts if type(const) is types.CodeType]
    return found


class Scope(Enum):
    """What a code object is the body of."""

    BATCH = "batch"
    CLASS = "class"
    FUNCTION = "function"


def _scope_of(code: types.CodeType) -> Scope:
    """Tell what a code object inside another one is the body of."""
    return Scope.FUNCTION if code.co_flags & CO_OPTIMIZED else Scope.CLASS


def is_plain(code: types.CodeType, scope: Scope) -> bool:
    """Tell at a glance that a long look would find nothing: most code has plain names only and sets no attribute."""
    steps = code.co_code
    operations = steps[::2]
    names = code.co_names
    if operations.translate(None, _CAREFREE):
        return False
    if scope is Scope.BATCH and names[:1] == (BOUNDARY,):
        if _LOAD_GLOBAL in operations or not _is_only_jumped_at(steps):
            return False
        names = names[1:]
        if not GUARD_NAMES.isdisjoint(names):
            guards = {index for index, name in enumerate(code.co_names) if name in GUARD_NAMES}
            if not _are_only_loaded(guards, operations, steps[1::2]):
                return False
            names = tuple([name for name in names if name not in GUARD_NAMES])
    return (
        _PLAIN_NAMES.have(names)
        and _VARIABLES.have(code.co_varnames + code.co_cellvars + code.co_freevars)
        and not (_KW_NAMES in operations and any(map(_is_reserved, code.co_consts)))
    )


def _is_only_jumped_at(steps: bytes) -> bool:
    """Tell whether a batch's own code does nothing with its first name, the boundary, but let a jump take its value.

    For code without extended arguments, as below: those are looked at long. So is what only looks like an operation on
    the name, an argument and the 0 of a cache behind it; as no operation on a name is a 0, it hides none.
    """
    jumped_at = steps.count(_FIRST_LOADED) == steps.count(_FIRST_JUMPED_AT)
    return jumped_at and _FIRST_OTHERWISE not in steps.translate(_OTHER_NAMING)


def _are_only_loaded(names: set[int], operations: bytes, arguments: bytes) -> bool:
    """Tell whether code does nothing with some of its names, the guards, but load them."""
    return all(
        operation == _LOAD_NAME
        for operation, argument in zip(operations, arguments, strict=True)
        if argument in names and operation in _NAMING
    )


class Look:
    """One code object under examination."""

    def __init__(self, code: types.CodeType, scope: Scope) -> None:
        self._code = code
        self._scope = scope
        self._is_class = scope is Scope.CLASS
        self._steps = _steps(code.co_code)
        self._landings: dict[int, list[int]] | None = None
        self._augmented: list[str] = []
        self._found: list[Violation] = []

    def violations(self) -> list[Violation]:
        for variable in self._variables():
            if not _VARIABLES.have((variable,)):
                self._refuse(0, "bytecode.bind", variable)
        for index, (operation, argument, _offset) in enumerate(self._steps):
            check = _CHECKS.get(operation)
            if check is not None:
                check(self, index, argument)
        return self._found

    def _variables(self) -> Iterator[str]:
        """List the local variables; the cell that `super()` reads is the compiler's own."""
        code = self._code
        yield from code.co_varnames
        if code.co_cellvars:
            yield from (name for name in code.co_cellvars if not (self._is_class and name == "__class__"))
        if code.co_freevars:
            yield from (name for name in code.co_freevars if name != "__class__")

    def _refuse(self, index: int, rule: str, what: str) -> None:
        line = next((last for start, end, last in self._code.co_lines() if start <= self._steps[index][2] < end), None)
        self._found.append(
            Violation(rule, f"the compiled code does what the language does not have: {what}", line, "compile")
        )

    def check_operation(self, index: int, _argument: int) -> None:
        self._refuse(index, "bytecode.operation", opcode.opname[self._steps[index][0]])

    def check_load(self, index: int, argument: int) -> None:
        name = self._code.co_names[argument]
        how = reading(name)
        if how is not Reading.NATIVE and not (how is Reading.PRIVATE and self._is_admitted(index)):
            self._refuse(index, "bytecode.load", name)
        if index and self._steps[index - 1][:2] == (_COPY, 1) and self._is_admitted(index - 1):
            self._augmented.append(name)

    def check_store(self, index: int, argument: int) -> None:
        name = self._code.co_names[argument]
        if not is_storable(name) or not (self._is_admitted(index) or self._ends_augmented(index, name)):
            self._refuse(index, "bytecode.store", name)

    def check_variable(self, index: int, argument: int) -> None:
        is_global = self._steps[index][0] == _LOAD_GLOBAL
        name = self._code.co_names[argument >> 1 if is_global else argument]
        if name == BOUNDARY:
            if self._scope is not Scope.BATCH or self._steps[index + 1][0] != _JUMP_IF_FALSE:
                self._refuse(index, "bytecode.name", name)
        elif not _is_readable(name, self._is_class):
            self._refuse(index, "bytecode.name", name)

    def check_binding(self, index: int, argument: int) -> None:
        name = self._code.co_names[argument]
        special = _BINDABLE_IN_CLASS if self._is_class else MODULE_CONSTANTS
        if name.startswith(RESERVED_MARK) or not (is_bindable(name) or name in special):
            self._refuse(index, "bytecode.bind", name)

    def check_keywords(self, index: int, argument: int) -> None:
        keywords = self._code.co_consts[argument]
        if keywords != _EVIDENCE and any(keyword.startswith(RESERVED_MARK) for keyword in keywords):
            self._refuse(index, "bytecode.call", str(keywords))

    def check_pattern(self, index: int, _argument: int) -> None:
        operation, argument, _offset = self._steps[index - 1]
        names = self._code.co_consts[argument] if operation == _LOAD_CONST else None
        if type(names) is not tuple or not all(type(name) is str and is_matchable(name) for name in names):
            self._refuse(index, "bytecode.match", str(names))

    def _is_admitted(self, index: int) -> bool:
        """Tell whether what lies on the stack before this step has come from a guard, on every path to it."""
        if self._steps[index - 1][:2] == (_COPY, 1):
            return self._is_admitted(index - 1)
        came_by_jump = self._jumps_to(self._steps[index][2])
        in_line = self._ends_guard_call(index) or self._ends_quick_look(index)
        return in_line and all(self._ends_quick_look(jump) for jump in came_by_jump)

    def _ends_guard_call(self, index: int) -> bool:
        """`KW_NAMES ("@name",)  PRECALL 2  CALL 2`: a keyword that no source can spell."""
        if index < 3 or self._steps[index - 1][:2] != (_CALL, 2) or self._steps[index - 2][:2] != (_PRECALL, 2):
            return False
        operation, argument, _offset = self._steps[index - 3]
        return operation == _KW_NAMES and self._code.co_consts[argument] == _EVIDENCE

    def _ends_quick_look(self, index: int) -> bool:
        """`@type  x  PRECALL 1  CALL 1  @guests  CONTAINS_OP  POP_JUMP_FORWARD_IF_FALSE  x`: the same x both times."""
        if index < 8:
            return False
        kind, value, precall, call, guests, contains, jump, again = self._steps[index - 8 : index]
        return (
            self._loads(kind, TYPE)
            and precall[:2] == (_PRECALL, 1)
            and call[:2] == (_CALL, 1)
            and self._loads(guests, GUESTS)
            and contains[:2] == (_CONTAINS, 0)
            and jump[0] == _JUMP_IF_FALSE
            and value[:2] == again[:2]
        )

    def _loads(self, step: _Step, name: str) -> bool:
        operation, argument, _offset = step
        if operation == _LOAD_GLOBAL:
            return self._code.co_names[argument >> 1] == name
        return operation == _LOAD_NAME and self._code.co_names[argument] == name

    def _ends_augmented(self, index: int, name: str) -> bool:
        """`BINARY_OP +=  SWAP 2` after an admitted object was kept by `COPY 1  LOAD_ATTR name`."""
        if index < 2 or self._steps[index - 1][:2] != (_SWAP, 2) or not self._augmented:
            return False
        operation, argument, _offset = self._steps[index - 2]
        return operation == _BINARY_OP and argument >= _INPLACE and self._augmented.pop() == name

    def _jumps_to(self, offset: int) -> list[int]:
        if self._landings is None:
            self._landings = {}
            for index, step in enumerate(self._steps):
                target = _target(step)
                if target is not None:
                    self._landings.setdefault(target, []).append(index)
        return self._landings.get(offset, [])


def _steps(code: bytes) -> list[_Step]:
    """Read the operations with their arguments; caches are left out."""
    steps = [step for step in zip(code[::2], code[1::2], range(0, len(code), 2), strict=True) if step[0] != _CACHE]
    return list(_extended(steps)) if _EXTENDED in code[::2] else steps


def _extended(steps: list[_Step]) -> Iterator[_Step]:
    """Join the parts of arguments that do not fit a byte."""
    high = 0
    for operation, low, offset in steps:
        if operation == _EXTENDED:
            high = (high | low) << 8
        else:
            yield operation, high | low, offset
            high = 0


class _Names:
    """All names that pass a test; some of them are remembered, and recognised without asking for each."""

    def __init__(self, test: Callable[[str], bool]) -> None:
        self._test = test
        self._met: set[str] = set()

    def have(self, names: tuple[str, ...]) -> bool:
        """Tell whether all these are among them."""
        if self._met.issuperset(names):
            return True
        if not all(map(self._test, names)):
            return False
        if len(self._met) + len(names) <= _REMEMBERED:
            self._met.update(names)
        return True


def _is_plain_name(name: str) -> bool:
    """Tell whether a name may be a variable, bound or read, and an attribute that is read from anything."""
    return name[0] != "_" and name.isidentifier() and is_bindable(name) and reading(name) is Reading.NATIVE


def _is_variable(name: str) -> bool:
    return name[0] != RESERVED_MARK and is_bindable(name)


_PLAIN_NAMES, _VARIABLES = _Names(_is_plain_name), _Names(_is_variable)


def _is_reserved(constant: object) -> bool:
    """Tell whether a constant could be the names of a call's keywords, with a reserved one among them."""
    return type(constant) is tuple and any(type(name) is str and name[:1] == RESERVED_MARK for name in constant)


@lru_cache(_REMEMBERED)
def _is_readable(name: str, in_class: bool) -> bool:
    if name.startswith(RESERVED_MARK):
        return name in GUARD_NAMES
    return not is_dunder(name) or name in READABLE_NAMES or (in_class and name in _READABLE_IN_CLASS)


def _target(step: _Step) -> int | None:
    operation, argument, offset = step
    if operation in _FORWARD_JUMPS:
        return offset + 2 + 2 * argument
    if operation in _BACKWARD_JUMPS:
        return offset + 2 - 2 * argument
    return None


_READABLE_IN_CLASS = _READ_BY_COMPILER | DEFINABLE
_BINDABLE_IN_CLASS = _SET_BY_COMPILER | DEFINABLE | CLASS_CONSTANTS

_CHECKS: Mapping[int, Callable[[Look, int, int], None]] = (
    dict.fromkeys(_LOADS, Look.check_load)
    | dict.fromkeys(_STORES, Look.check_store)
    | dict.fromkeys((_LOAD_NAME, _LOAD_GLOBAL), Look.check_variable)
    | dict.fromkeys(_BINDERS, Look.check_binding)
    | {_KW_NAMES: Look.check_keywords, _MATCH_CLASS: Look.check_pattern}
    | dict.fromkeys(set(range(256)) - _ALLOWED, Look.check_operation)
)
