"""statek policy: what a policy says and where it says so, whether a file is one, what a rule means, how two differ."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from typing import Any, Final

import click

from statek.audit.escaping import shown
from statek.cli.options import wrong_usage
from statek.cli.tables import print_table
from statek.cli.terminal import say
from statek_policies import Policy, PolicyError
from statek_policies.comparing import Difference, differences
from statek_policies.errors import nearest
from statek_policies.profile_files import Traced, trace_policy
from statek_policies.remarks import remarks
from statek_policies.toml_text import to_toml

SAME: Final = 0
DIFFERENT: Final = 1
HASH_CHARACTERS: Final = 12
"""Of a policy's hash, where people read it and no program does."""

_JSON = click.option("--json", "as_json", is_flag=True, help="Print exactly one JSON object.")


@click.group("policy", short_help="Show, check, explain and compare policies.")
def policy_command() -> None:
    """Policies are profiles of STATEK's own, by name, and TOML files, by path."""


@policy_command.command("list")
@_JSON
def list_command(as_json: bool) -> None:
    """List the profiles that come with STATEK."""
    profiles = {name: trace_policy(name) for name in Policy.profiles()}
    if as_json:
        _print_json(
            {name: {"hash": found.policy.hash, "description": found.description} for name, found in profiles.items()}
        )
        return
    rows = [(name, found.policy.hash[:HASH_CHARACTERS], found.description) for name, found in profiles.items()]
    print_table(("profile", "hash", "for"), rows)


@policy_command.command("show")
@click.argument("policy", metavar="NAME|FILE")
@_JSON
@click.option("--toml", "as_toml", is_flag=True, help="Print a TOML file that says the same without extending any.")
def show_command(policy: str, as_json: bool, as_toml: bool) -> None:
    """Print the effective values of a policy and who said so, with everything that it extends."""
    if as_json and as_toml:
        wrong_usage("--json and --toml are two forms of the same; choose one")
    traced = _traced(policy)
    if as_json:
        _print_json(_as_json(traced))
    elif as_toml:
        click.echo(to_toml(traced.policy, traced.description), nl=False)
    else:
        _show(traced)


@policy_command.command("check")
@click.argument("policies", metavar="FILE...", nargs=-1, required=True)
def check_command(policies: tuple[str, ...]) -> None:
    """Say of each FILE whether it is a policy, what is wrong with it, and what in it has no effect.

    Exit status: 0 if all of them are, 2 otherwise.
    """
    verdicts = [_check(policy) for policy in policies]
    sys.exit(0 if all(verdicts) else 2)


@policy_command.command("explain")
@click.argument("name", metavar="[RULE]", required=False)
@_JSON
def explain_command(name: str | None, as_json: bool) -> None:
    """Explain a rule, a limit or a layer by the NAME that a refusal carries; without one, list them all."""
    topics = _topics()
    if name is None:
        listed = {name: next(iter(texts.values())) for name, texts in topics.items()}
        if as_json:
            _print_json(listed)
        else:
            print_table(("name", "forbids, bounds or keeps a guest from"), listed.items())
        return
    if name not in topics:
        close = nearest(name, topics)
        meant = f"did you mean {close!r}?" if close else "`statek policy explain` lists them all"
        wrong_usage(f"no rule, limit or layer is called {name[:100]!r}; {meant}")
    if as_json:
        _print_json({"name": name, **topics[name]})
    else:
        click.echo("\n".join(_explanation(name, topics[name])))


@policy_command.command("diff")
@click.argument("first", metavar="A")
@click.argument("second", metavar="B")
@_JSON
def diff_command(first: str, second: str, as_json: bool) -> None:
    """Say field by field how two policies differ, and which of them permits more.

    Exit status: 0 if they permit the same, 1 if they differ, 2 on an error.
    """
    policies = _traced(first).policy, _traced(second).policy
    found = differences(*policies)
    if as_json:
        _print_json({"same": not found, "differences": [asdict(difference) for difference in found]})
    elif found:
        names = (first, second) if policies[0].name == policies[1].name else (policies[0].name, policies[1].name)
        print_table(("field", *names, "permits more"), _difference_rows(found, *names))
    else:
        click.echo(shown(f"{first} and {second} permit the same"))
    sys.exit(DIFFERENT if found else SAME)


def _traced(name_or_path: str) -> Traced:
    try:
        return trace_policy(name_or_path)
    except PolicyError as error:
        wrong_usage(str(error))


def _check(name_or_path: str) -> bool:
    try:
        policy = trace_policy(name_or_path).policy
    except PolicyError as error:
        say(str(error))
        return False
    click.echo(shown(f"{name_or_path}: ok, {policy.name}, hash {policy.hash[:HASH_CHARACTERS]}"))
    for remark in remarks(policy):
        click.echo(shown(f"{name_or_path}: note: {remark}"))
    return True


def _as_json(traced: Traced) -> dict[str, object]:
    policy = traced.policy
    return {
        "hash": policy.hash,
        "description": traced.description,
        "policy": policy.to_wire(),
        "origins": dict(traced.origins),
        "remarks": list(remarks(policy)),
    }


def _show(traced: Traced) -> None:
    policy = traced.policy
    print_table(("field", "value", "said by"), _field_rows(policy, traced))
    click.echo(f"hash {policy.hash}")
    for remark in remarks(policy):
        click.echo(shown(f"note: {remark}"))


def _field_rows(policy: Policy, traced: Traced) -> Iterator[tuple[str, str, str]]:
    fields = policy.to_wire()
    limits = fields.pop("limits")
    for name, value in [*fields.items(), *((f"limits.{name}", value) for name, value in limits.items())]:
        yield name, _written(value), traced.origins[name]


def _difference_rows(found: Iterable[Difference], first: str, second: str) -> Iterator[tuple[str, ...]]:
    verdicts = {"first": first, "second": second, "each": "each something", "unknown": "cannot be told"}
    for difference in found:
        values = _written(difference.first), _written(difference.second)
        yield difference.field, *values, verdicts[difference.permits_more]


def _written(value: object) -> str:
    """Write a value so that people tell an empty list from a missing one, and large numbers from one another."""
    if isinstance(value, list):
        return ", ".join(value) or "(none)"
    return f"{value:_}" if isinstance(value, int) else str(value)


def _topics() -> dict[str, dict[str, str]]:
    """Return all that can be explained: its texts by what they are, with the most telling one first."""
    from statek.cli.doctor_command import EXPLANATIONS  # the command that knows the layers of a host
    from statek_policies.explanations import limits, rules

    topics = {name: _texts(asdict(rule)) for name, rule in rules().items()}
    topics |= {name: _texts(asdict(limit)) for name, limit in limits().items()}
    for name, layer in EXPLANATIONS.items():
        texts = {"keeps_a_guest_from": layer.purpose, "required_by": "the policy's field required_layers"}
        topics[name] = {**topics.get(name, {}), **texts, "a_host_that_lacks_it": "`statek doctor` says why"}
    return topics


def _texts(entry: dict[str, Any]) -> dict[str, str]:
    return {key: text for key, text in entry.items() if key != "name" and text}


def _explanation(name: str, texts: dict[str, str]) -> Iterator[str]:
    """The lines for people: sentences first, then programs."""
    yield name
    programs = ("refused", "works")
    sentences = {key.replace("_", " "): text for key, text in texts.items() if key not in programs}
    width = max(map(len, sentences)) + 2
    for key, text in sentences.items():
        yield f"  {key:<{width}}{text}"
    for key in programs:
        if key in texts:
            yield f"\n  {key}:\n"
            yield from (f"    {line}".rstrip() for line in texts[key].splitlines())


def _print_json(value: object) -> None:
    click.echo(json.dumps(value))
