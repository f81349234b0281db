"""Each field of a policy takes something from a guest behind the real wall, and a violation has its consequence."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from integration.services import Run, Site, finish, site, wait_for

APP = """
def pay(amount):
    return f"paid {amount}"

def mail_send(text):
    return f"sent {text}"

class Account:
    balance = 7

    def close(self):
        return "closed"

    def __len__(self):
        return 3

tools = [pay, mail_send]
locals = {"account": Account()}
classes = [Account]
"""
PROBE = "print('before')\ntry:\n    getattr(1, '__globals__')\nexcept Exception:\n    print('caught')\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A scheduler with tools and an executor, for all tests here that leave them as they are."""
    directory = tmp_path_factory.mktemp("policies")
    with site(directory, f"ipc://{directory}/executors.ipc") as place:
        place.scheduler("--app", str(place.write(APP, "app.py")))
        place.welcomed(place.executor())
        yield place


def command(place: Site, *arguments: str) -> Run:
    """Run another command on the site's store."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [*place.python, "-m", "statek", *arguments], stdin=subprocess.DEVNULL, stdout=pipe, stderr=pipe, text=True
    )
    return finish(process)


def decide(place: Site, choice: str, job: str) -> Run:
    return command(place, "job", choice, "--store", str(place.store), job)


def policy_file(place: Site, text: str) -> str:
    return str(place.write(text, "mine.toml"))


@pytest.mark.parametrize(
    ("setting", "source", "rule"),
    [
        ("language=classes,functions", "while True: pass", "language.while"),
        ("builtins=print", "print('effect')\nsorted([2, 1])", "builtin.not_offered"),
        ("builtins=print", "f = sorted\nf([2, 1])", "builtin.not_offered"),
        ("imports=json", "import math", "import.not_offered"),
        ("tools=mail_*", "pay(1)", "tool.denied"),
    ],
)
def test_what_a_field_leaves_out_is_refused_by_its_rule(served: Site, setting: str, source: str, rule: str) -> None:
    run = served.exec("--json", "--set", setting, source=source)
    assert run.status == 3, run.err
    assert [violation["rule"] for violation in run.json["violations"]] == [rule]


def test_what_a_policy_file_offers_works(served: Site) -> None:
    path = policy_file(
        served,
        "extends = 'strict'\nlanguage = ['functions']\nbuiltins = ['print', 'sum']\nimports = ['math']\n"
        "tools = ['mail_*']\nrequired_layers = ['seccomp']\n[limits]\ncalls = 1\n",
    )
    source = "import math\ndef area(r): return math.pi * r\nprint(sum([1, 2]), mail_send('x'))\n"
    run = served.exec("--policy", path, source=source)
    assert run.status == 0, run.err
    assert run.out == "3 sent x\n"


def test_members_of_an_applications_objects_are_offered_by_pattern(served: Site) -> None:
    source = "print(account.balance, len(account))\naccount.close()\n"
    run = served.exec("--json", "--set", "members=Account.b*,*.__len__", source=source)
    assert (run.status, run.json["console"]) == (3, "7 3\n"), run.out + run.err
    assert [violation["rule"] for violation in run.json["violations"]] == ["member.denied"]
    assert served.exec("--set", "members=Account.*", source="print(account.close())").out == "closed\n"


def test_a_built_in_that_is_kept_in_a_variable_does_not_outlive_its_offer(served: Site) -> None:
    job = served.exec("--json", source="order = sorted\nprint(order([2, 1]))").json["job"]
    run = served.exec("--json", "--job", job, "--set", "builtins=print", source="print(order([2, 1]))")
    assert [violation["rule"] for violation in run.json["violations"]] == ["builtin.not_offered"]
    assert served.exec("--job", job, "--set", "builtins=*", source="print(order([2, 1]))").out == "[1, 2]\n"


def test_where_the_policy_only_refuses_a_caught_violation_is_on_record_and_the_job_goes_on(served: Site) -> None:
    run = served.exec("--json", source=PROBE)
    assert (run.status, run.json["console"]) == (0, "before\ncaught\n")
    assert [violation["rule"] for violation in run.json["violations"]] == ["attribute.dunder"]


def test_a_job_that_is_ended_for_a_violation_takes_no_further_batch(served: Site) -> None:
    first, second = str(served.write(PROBE)), str(served.write("print('never')"))
    run = served.exec("--json", "--set", "on_violation=end", first, second)
    result = run.json
    assert (run.status, result["status"], result["outcome"]) == (3, "DONE", "blocked")
    assert result["console"] == "before\n"
    assert result["usage"]["cpu_seconds"] > 0
    again = served.exec("--job", result["job"], source="print('never')")
    assert (again.status, again.out) == (2, "")
    assert "was ended for a violation of its policy; start a new one" in again.err


def test_a_refused_source_ends_its_job_after_all_that_is_wrong_with_it_is_told(served: Site) -> None:
    run = served.exec("--json", "--policy", policy_file(served, "on_violation = 'end'"), source="import os\neval('1')")
    assert [violation["line"] for violation in run.json["violations"]] == [1, 2]
    assert (run.status, run.json["outcome"]) == (3, "blocked")


def test_a_held_job_waits_for_a_person_also_across_a_restart(local: Site) -> None:
    before = local.scheduler()
    executor = local.welcomed(local.executor())
    job = local.exec("--json", "--set", "on_violation=hold", source="kept = 7").json["job"]
    run = local.exec("--job", job, source=PROBE)
    assert run.status == 3
    assert f"statek job release {job}" in run.err
    before.kill()
    before.wait()
    after = local.scheduler()
    wait_for(lambda: executor.log.read_text().count("welcomed by") == 2, "another welcome")
    refused = local.exec("--job", job, source="print(kept)")
    assert refused.status == 2
    assert "is held since batch 2" in refused.err
    assert decide(local, "release", job).status == 0
    assert local.exec("--job", job, source="print(kept)").out == "7\n"
    nothing = decide(local, "release", job)
    assert (nothing.status, "is not held" in nothing.err) == (2, True)
    assert after.process.poll() is None


def test_a_held_job_is_seen_as_such_and_may_be_ended_without_a_running_scheduler(local: Site) -> None:
    run = local.exec("--json", "--set", "on_violation=hold", source=PROBE)
    assert (run.status, run.json["status"], run.json["outcome"]) == (3, "SUSPENDED", "blocked")
    ended = decide(local, "end", run.json["job"])
    assert (ended.status, ended.err) == (0, f"statek: {run.json['job']}: ended\n")
    assert local.exec("--job", run.json["job"], source="1").status == 2


def test_a_job_that_there_is_not_is_named_on_one_line(served: Site) -> None:
    for name in ("job-0", "\x1b[2J", "x" * 300):
        run = decide(served, "end", name)
        assert (run.status, run.out, run.err.count("\n")) == (2, "", 1)
        assert "\x1b" not in run.err


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("tool=a", "did you mean 'tools'"),
        ("tools", "write it as tools="),
        ("limits.calls=1", "--limit"),
        ("on_violation=stop", "choose from end, hold, refuse"),
        ("imports=os", "no module that can be offered"),
        ("tools=a b", "can match no Python name"),
    ],
)
def test_a_field_that_cannot_be_meant_is_wrong_usage_and_leaves_nothing_behind(
    local: Site, setting: str, said: str
) -> None:
    run = local.exec("--set", setting, source="print('never')")
    assert (run.status, run.out) == (2, "")
    assert said in run.err
    assert not local.store.exists()


def test_a_hostile_policy_file_leaves_nothing_behind(local: Site, tmp_path: Path) -> None:
    path = tmp_path / "a\x1b[2J.toml"
    path.write_text("[limits]\ncalls = 0x" + "f" * 10_000)
    run = local.exec("--policy", str(path), source="print('never')")
    assert (run.status, run.out) == (2, "")
    assert run.err.count("\n") == 1
    assert "\x1b" not in run.err
    assert not local.store.exists()
