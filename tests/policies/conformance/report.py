"""How much of what CPython tests of itself does the guests' language pass, refuse, or do otherwise? A table per file.

The exit status is 1 when a test that was not expected to end otherwise does (see EXPECTED), or a file could not be run.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from classify import DIFFERS, NOT_APPLY, REFUSED, SAME, Verdict, verdicts_of
from programs import is_installed

FILES = [
    "test_augassign",
    "test_base64",
    "test_bisect",
    "test_bool",
    "test_bytes",
    "test_calendar",
    "test_class",
    "test_collections",
    "test_complex",
    "test_contextlib",
    "test_copy",
    "test_csv",
    "test_dataclasses",
    "test_decimal",
    "test_defaultdict",
    "test_deque",
    "test_dict",
    "test_dictcomps",
    "test_difflib",
    "test_enum",
    "test_float",
    "test_fractions",
    "test_functools",
    "test_generators",
    "test_genexps",
    "test_grammar",
    "test_heapq",
    "test_int",
    "test_itertools",
    "test_list",
    "test_listcomps",
    "test_math",
    "test_ordered_dict",
    "test_patma",
    "test_pprint",
    "test_property",
    "test_raise",
    "test_random",
    "test_re",
    "test_scope",
    "test_set",
    "test_setcomps",
    "test_statistics",
    "test_string",
    "test_textwrap",
    "test_tuple",
    "test_typing",
    "test_unicode",
    "test_unpack",
    "test_unpack_ex",
    "test_userdict",
    "test_uuid",
    "test_with",
]

EXPECTED: dict[str, str] = {
    "test_copy": "copying asks the class of an object, never the object: a lying __getattribute__ does not stop it",
    "test_collections": "type(function) is a stand-in, which issubclass() does not take as its first argument",
    "test_typing": "stand-ins; dir() leaves out what cannot be read; annotations kept as text may hold names only",
    "test_unicode": "an attribute's name must be exact text",
    "test_dataclasses": "a namespace may not hold every name; an annotation of make_dataclass",
    "test_functools": "update_wrapper copies what it always copies, whatever names it is given; texts of errors",
    "test_dict": "the name of an attribute must be exact text, also in __dict__",
    "test_statistics": "a facade has no __all__",
    "test_pprint": "sys.stdout cannot be replaced",
    "test_re": "the clock of the test moves a second at each reading; the type of `type` is a stand-in in a message",
}
"""Files with tests that come to another end, and why that is meant."""


def main(arguments: list[str]) -> int:
    """Print the table."""
    options = _parsed(arguments)
    if not is_installed():
        sys.stderr.write("this Python has no `test` package; PYTHON=... names another one\n")
        return 2
    sys.stdout.write(f"{'file':<18} {'same':>5} {'refused':>8} {'differs':>8} {'not apply':>10}\n")
    return max(_report(file, options.every, options.verbose) for file in options.files or FILES)


def _parsed(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/conformance", description=__doc__)
    parser.add_argument("files", nargs="*", help="test files; all that apply if none is named")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="take one test in N")
    parser.add_argument("--verbose", action="store_true", help="name the rule of each refused test")
    return parser.parse_args(arguments)


def _report(file: str, every: int, verbose: bool) -> int:
    try:
        verdicts = verdicts_of(file, every=every)
    except (RuntimeError, TimeoutError) as error:
        sys.stdout.write(f"{file:<18} could not be run: {error}\n")
        return 1
    count = Counter(verdict.kind for verdict in verdicts)
    numbers = f"{count[SAME]:>5} {count[REFUSED]:>8} {count[DIFFERS]:>8} {count[NOT_APPLY]:>10}"
    sys.stdout.write(f"{file:<18} {numbers}\n")
    for verdict in verdicts:
        _explain(verdict, verbose)
    sys.stdout.flush()
    return int(count[DIFFERS] > 0 and file not in EXPECTED)


def _explain(verdict: Verdict, verbose: bool) -> None:
    if verdict.kind == DIFFERS:
        sys.stdout.write(f"  differs: {verdict.name}: {verdict.detail}\n")
    elif verdict.kind == REFUSED and verbose:
        sys.stdout.write(f"  refused: {verdict.name}: {verdict.detail}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
