"""What a program of the test files does under the language, compared with what plain CPython makes of the same text.

same       both come to the same end and print the same
refused    a rule stopped the guest; the rule is named
differs    the guest came to another end
not apply  plain CPython does not pass it either as a program of its own: it needs what the prelude does not have
"""

from __future__ import annotations

import contextlib
import io
import json
import signal
import subprocess
import sys
import types
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

sys.path[:0] = [str(Path(__file__).parents[1]), str(Path(__file__).parent)]

from guest_program import RecordingHost  # noqa: E402 - found by the lines above
from programs import Program, TestFile  # noqa: E402

from statek_policies import Policy  # noqa: E402
from statek_policies.language import (  # noqa: E402
    GuestExit,
    SourceInvalid,
    SourceRefused,
    SourceTooLarge,
    build_environment,
    compile_batch,
)

SAME, REFUSED, DIFFERS, NOT_APPLY = "same", "refused", "differs", "not apply"
SECONDS_A_TEST = 10
FILE_SECONDS = 600
_POLICY = Policy().with_limits(ast_nodes=200_000, source_bytes=2_000_000)


class TookTooLong(BaseException):
    """A test used up its time."""


@dataclass(frozen=True)
class Verdict:
    """What came of one program."""

    name: str
    kind: str
    rule: str = ""
    detail: str = ""


def classify(program: Program) -> Verdict:
    """Run a program both ways."""
    plain, printed = _plainly(program.source)
    if plain is not None:
        return Verdict(program.name, NOT_APPLY, detail=plain)
    return _as_guest(program, printed)


def _plainly(source: str) -> tuple[str | None, str]:
    """Run it under plain CPython; returns what was wrong, and what was printed."""
    out = io.StringIO()
    module = types.ModuleType("__main__")
    kept = sys.modules["__main__"]
    sys.modules["__main__"] = module
    try:
        with _limited(), contextlib.redirect_stdout(out):
            exec(compile(source, "<test>", "exec", dont_inherit=True), module.__dict__)
    except (Exception, SystemExit, TookTooLong) as error:  # noqa: BLE001 - a test may raise anything
        return f"{type(error).__name__}: {error}"[:200], ""
    finally:
        sys.modules["__main__"] = kept
    return None, out.getvalue()


def _as_guest(program: Program, expected: str) -> Verdict:
    host = RecordingHost()
    try:
        with _limited():
            batch = compile_batch(program.source.encode("utf-8", "surrogatepass"), name="<test>", policy=_POLICY)
            exec(batch.code, build_environment(_POLICY, host).globals)
    except SourceRefused as refused:
        rules = sorted({violation.rule for violation in refused.violations})
        return Verdict(program.name, REFUSED, " ".join(rules), str(refused.violations[0])[:200])
    except (SourceInvalid, SourceTooLarge) as invalid:
        return Verdict(program.name, DIFFERS, detail=f"{type(invalid).__name__}: {invalid}"[:200])
    except (Exception, GuestExit, TookTooLong) as error:  # noqa: BLE001 - a test may raise anything
        return _ended(program, host, f"{type(error).__name__}: {error}"[:300])
    return _ended(program, host, None if "".join(host.output) == expected else _difference(host, expected))


def _difference(host: RecordingHost, expected: str) -> str:
    pairs = zip("".join(host.output).splitlines(), expected.splitlines(), strict=False)
    return next(
        (f"printed {ours!r}, not {theirs!r}" for ours, theirs in pairs if ours != theirs), "printed more or less"
    )


def _ended(program: Program, host: RecordingHost, wrong: str | None) -> Verdict:
    if wrong is not None and wrong.startswith("SkipTest"):
        return Verdict(program.name, NOT_APPLY, detail=wrong)
    if wrong is None:
        return Verdict(program.name, SAME)
    if host.violations:
        rules = sorted({violation.rule for violation in host.violations})
        return Verdict(program.name, REFUSED, " ".join(rules), str(host.violations[0])[:200])
    return Verdict(program.name, DIFFERS, detail=wrong)


@contextlib.contextmanager
def _limited() -> Iterator[None]:
    def expire(*_arguments: Any) -> None:
        raise TookTooLong

    previous = signal.signal(signal.SIGALRM, expire)
    signal.alarm(SECONDS_A_TEST)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, previous)


def verdicts_of(file: str, *, every: int = 1) -> list[Verdict]:
    """Classify the programs of a file in a process of its own, since a test may leave anything behind."""
    command = [sys.executable, "-P", __file__, file, str(every)]
    done = subprocess.run(command, capture_output=True, timeout=FILE_SECONDS, check=False)
    lines = [line for line in done.stdout.decode().splitlines() if line.startswith("{")]
    if done.returncode != 0:
        raise RuntimeError(
            f"{file} ended with {done.returncode} after {len(lines)} tests: {done.stderr.decode()[-500:]}"
        )
    return [Verdict(**json.loads(line)) for line in lines]


def main() -> None:
    """Print a verdict per line."""
    file, every = sys.argv[1], int(sys.argv[2])
    out = sys.stdout
    for index, program in enumerate(TestFile(file).programs()):
        if index % every == 0:
            sys.stderr.write(f"{program.name}\n")
            print(json.dumps(asdict(classify(program))), file=out, flush=True)


if __name__ == "__main__":
    main()
