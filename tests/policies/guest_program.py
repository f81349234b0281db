"""Runs a guest's source against the language alone, with a host that records; shared by the tests of the language."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

import pytest

from statek_policies import Policy, Violation
from statek_policies.language import (
    GuestEnvironment,
    GuestExit,
    SourceInvalid,
    SourceRefused,
    build_environment,
    compile_batch,
)

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS
"""2023-11-14 22:13:20 UTC."""


@dataclass
class RecordingHost:
    """A host whose clock moves a second per reading and whose entropy is a counted sequence."""

    output: list[str] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    slept: list[float] = field(default_factory=list)
    readings: int = 0
    drawn: int = 0

    def write(self, text: str) -> None:
        self.output.append(text)

    def time_ns(self) -> int:
        self.readings += 1
        return START_NS + self.readings * SECOND_NS

    def monotonic_ns(self) -> int:
        self.readings += 1
        return self.readings * SECOND_NS

    def entropy(self, size: int) -> bytes:
        self.drawn += 1
        return bytes((self.drawn * 31 + index) % 256 for index in range(size))

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)

    def violation(self, violation: Violation) -> None:
        self.violations.append(violation)


@dataclass
class Outcome:
    """What came of a source."""

    host: RecordingHost
    refusals: tuple[Violation, ...] = ()
    invalid: SourceInvalid | None = None
    error: BaseException | None = None
    environment: GuestEnvironment | None = None

    @property
    def output(self) -> str:
        return "".join(self.host.output)

    @property
    def rules(self) -> set[str]:
        """Every rule that was reported, before or while the program ran."""
        return {violation.rule for violation in (*self.refusals, *self.host.violations)}

    @property
    def lines(self) -> list[int | None]:
        return [violation.line for violation in (*self.refusals, *self.host.violations)]


def run_guest(source: str, policy: Policy | None = None, host: RecordingHost | None = None) -> Outcome:
    """Compile and run a source to its end, as an interpreter would."""
    policy = policy or Policy()
    outcome = Outcome(host or RecordingHost())
    try:
        batch = compile_batch(textwrap.dedent(source).encode(), name="<batch 1>", policy=policy)
    except SourceRefused as refused:
        outcome.refusals = refused.violations
        return outcome
    except SourceInvalid as invalid:
        outcome.invalid = invalid
        return outcome
    outcome.environment = build_environment(policy, outcome.host)
    try:
        exec(batch.code, outcome.environment.globals)
    except (Exception, GuestExit) as error:  # noqa: BLE001 - a guest may raise anything; tests look at it
        outcome.error = error
    return outcome


def check_contained(source: str, *rules: str) -> Outcome:
    """Run an attempt that prints `reached` if it gets what it is after; each rule must have been reported."""
    outcome = run_guest(source)
    assert outcome.invalid is None, outcome.invalid
    assert "reached" not in outcome.output, outcome.output
    assert set(rules) <= outcome.rules, (outcome.rules, outcome.refusals, outcome.error)
    return outcome


def check_runs(source: str) -> str:
    """Run a benign program; it must come to its end without a violation. Returns what it printed."""
    outcome = run_guest(source)
    assert not outcome.refusals, outcome.refusals
    assert outcome.invalid is None, outcome.invalid
    if outcome.error is not None:
        raise outcome.error
    assert not outcome.host.violations, outcome.host.violations
    return outcome.output


@pytest.fixture
def host() -> RecordingHost:
    return RecordingHost()
