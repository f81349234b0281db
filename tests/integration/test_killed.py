"""Whatever is killed in the middle of a batch, the job ends as if nothing had been: effects once, lines once."""

from __future__ import annotations

import signal

import psutil
import pytest
from integration.services import Command, Site, finish, gone, wait_for

STEPS = 10
APP = """
import pathlib
effects = pathlib.Path(__file__).with_name("effects.txt")

def effect(number):
    with effects.open("a") as file:
        file.write(f"{number}\\n")
    return number * 10

tools = [effect]
"""
PROGRAM = f"""
import random, time
random.seed(7)
drawn, times, total = [], [], 0
for step in range({STEPS}):
    result = effect(step)
    times.append(time.time())
    spent = 0
    while spent < 400_000:
        spent += 1
    total += result
    drawn.append(random.random())
    print("step", step, result, times[-1], drawn[-1])

def summary():
    return total, len(times)
"""
NEXT = "print(summary(), drawn == sorted(drawn), times == sorted(times), random.random())"


def expected_draws() -> list[float]:
    import random

    generator = random.Random(7)
    return [generator.random() for _ in range(STEPS + 1)]


def effects(site: Site) -> list[str]:
    file = site.directory / "effects.txt"
    return file.read_text().split() if file.exists() else []


def serve(site: Site) -> tuple[Command, Command]:
    app = site.write(APP, "app.py")
    return site.scheduler("--app", str(app)), site.welcomed(site.executor())


def check(site: Site, console: str, job: str) -> None:
    """The console, the effects and the variables are those of an uninterrupted run."""
    lines = [line.split() for line in console.splitlines()]
    draws = expected_draws()
    assert [line[1] for line in lines] == [str(step) for step in range(STEPS)]
    assert [line[2] for line in lines] == [str(step * 10) for step in range(STEPS)]
    assert [float(line[4]) for line in lines] == draws[:-1]
    assert [line[3] for line in lines] == sorted(line[3] for line in lines)
    assert effects(site) == [str(step) for step in range(STEPS)]
    after = site.exec("--job", job, source=NEXT)
    assert after.out == f"({sum(range(STEPS)) * 10}, {STEPS}) {draws[:-1] == sorted(draws[:-1])} True {draws[-1]}\n"


@pytest.mark.parametrize("steps_before", [0, 3, 7])
def test_the_supervisor_is_killed_and_another_started(local: Site, steps_before: int) -> None:
    _, executor = serve(local)
    running = local.exec_in_background("--json", "--limit", "cpu_seconds=30", source=PROGRAM)
    wait_for(lambda: len(effects(local)) > steps_before, "some steps")
    tree = executor.tree()
    executor.kill()
    gone(tree)
    local.executor()
    result = finish(running)
    assert result.status == 0, result
    check(local, result.json["console"], result.json["job"])


@pytest.mark.parametrize("steps_before", [0, 3, 7])
def test_the_scheduler_is_killed_and_started_again(local: Site, steps_before: int) -> None:
    scheduler, _ = serve(local)
    running = local.exec_in_background("--json", "--limit", "cpu_seconds=30", source=PROGRAM)
    wait_for(lambda: len(effects(local)) > steps_before, "some steps")
    scheduler.kill()
    scheduler.wait()
    local.scheduler("--app", str(local.directory / "app.py"))
    result = finish(running)
    if result.json["outcome"] == "error" and result.json["error"]["type"] == "ToolOutcomeUnknown":
        # Killed between a call's intent and its outcome: nobody knows, and the guest was told so. Nothing ran twice.
        assert len(effects(local)) == len(set(effects(local)))
        return
    assert result.status == 0, result
    check(local, result.json["console"], result.json["job"])


def test_both_are_killed_at_once(local: Site) -> None:
    scheduler, executor = serve(local)
    running = local.exec_in_background("--json", "--limit", "cpu_seconds=30", source=PROGRAM)
    wait_for(lambda: len(effects(local)) > 4, "some steps")
    trees = executor.tree()
    executor.kill()
    scheduler.kill()
    scheduler.wait()
    gone(trees)
    local.scheduler("--app", str(local.directory / "app.py"))
    local.executor()
    result = finish(running)
    assert len(effects(local)) == len(set(effects(local)))
    if result.status == 0:
        check(local, result.json["console"], result.json["job"])
    else:
        assert result.json["error"]["type"] == "ToolOutcomeUnknown", result


def zygote_of(executor: Command) -> psutil.Process:
    """The innermost zygote: the parent of the interpreters."""
    launcher = psutil.Process(executor.process.pid).children()[0]
    inner = launcher.children()
    return inner[0] if inner else launcher


def test_the_zygote_is_killed_and_replaced(local: Site) -> None:
    _, executor = serve(local)
    running = local.exec_in_background("--json", "--limit", "cpu_seconds=30", source=PROGRAM)
    wait_for(lambda: len(effects(local)) > 3, "some steps")
    zygote = zygote_of(executor)
    below = [zygote, *zygote.children(recursive=True)]
    zygote.kill()
    gone(below)
    result = finish(running)
    assert result.status == 0, result
    check(local, result.json["console"], result.json["job"])
    assert executor.process.poll() is None


def test_an_interpreter_is_killed_and_the_batch_goes_on_in_another(local: Site) -> None:
    _, executor = serve(local)
    running = local.exec_in_background("--json", "--limit", "cpu_seconds=30", source=PROGRAM)
    wait_for(lambda: len(effects(local)) > 3, "some steps")
    busiest = max(zygote_of(executor).children(), key=lambda process: process.cpu_times().user)
    busiest.kill()
    result = finish(running)
    assert result.status == 0, result
    check(local, result.json["console"], result.json["job"])


TRANSIENT = """
numbers = (n for n in range(10))
first = next(numbers)
spent = 0
while spent < 3_000_000:
    spent += 1
print("half")
spent = 0
while spent < 6_000_000:
    spent += 1
print("then", next(numbers))
"""


def test_a_variable_that_cannot_be_kept_is_still_there_when_a_batch_goes_on_in_another_interpreter(local: Site) -> None:
    _, executor = serve(local)
    running = local.exec_in_background("--limit", "cpu_seconds=30", source=TRANSIENT)
    assert running.stdout is not None
    assert running.stdout.readline() == "half\n"
    busiest = max(zygote_of(executor).children(), key=lambda process: process.cpu_times().user)
    busiest.kill()
    assert finish(running).out == "then 1\n"


def test_a_batch_that_loses_its_interpreter_three_times_is_given_up(local: Site) -> None:
    _, executor = serve(local)
    running = local.exec_in_background("--json", "--limit", "cpu_seconds=60", source="x = 0\nwhile True: x += 1\n")
    killed: set[int] = set()

    def kill_one() -> bool:
        for process in zygote_of(executor).children():
            try:
                if process.pid not in killed and process.cpu_times().user > 0.1:
                    process.kill()
                    killed.add(process.pid)
            except psutil.NoSuchProcess:
                continue
        return running.poll() is not None

    wait_for(kill_one, "the job's end")
    result = finish(running)
    assert result.status == 5
    assert result.json["outcome"] == "failed"
    assert result.json["error"]["type"] == "ExecutorDied"
    assert len(killed) == 3


def test_a_command_whose_embedded_scheduler_was_killed_leaves_a_job_that_the_next_one_finishes(local: Site) -> None:
    job = local.exec("--json", source="kept = 1").json["job"]
    source = "print('on')\nwhile kept < 20_000_000: kept += 1\n"
    running = local.exec_in_background("--job", job, "--limit", "cpu_seconds=30", source=source)
    assert running.stdout is not None
    assert running.stdout.readline() == "on\n"
    tree = psutil.Process(running.pid).children(recursive=True)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    gone(tree)
    run = local.exec("--json", "--job", job, source="print(kept)")
    assert run.json["console"] == "20000000\n"


def test_a_batch_submitted_apart_runs_although_the_one_before_it_was_not_ok(running: Site) -> None:
    job = running.exec("--json", source="kept = 1").json["job"]
    spinning = "print('spinning')\nkept = 2\nsum(range(10**12))\n"
    first = running.exec_in_background("--job", job, "--limit", "cpu_seconds=0.5", source=spinning)
    assert first.stdout is not None
    assert first.stdout.readline() == "spinning\n"
    second = running.exec("--json", "--job", job, source="print(kept)")
    assert finish(first).status == 4
    assert second.json["console"] == "1\n"


def test_each_batch_runs_under_the_policy_that_it_came_with(running: Site) -> None:
    job = running.exec("--json", source="x = 0").json["job"]
    slow = "y = 0\nprint('on')\nwhile y < 3_000_000: y += 1\n"
    first = running.exec_in_background("--job", job, "--limit", "cpu_seconds=20", source=slow)
    assert first.stdout is not None
    assert first.stdout.readline() == "on\n"
    second = running.exec("--json", "--job", job, "--limit", "cpu_seconds=0.25", source="while True: x += 1\n")
    assert finish(first).status == 0
    assert second.json["limit"]["allowed"] == 0.25


def test_a_command_waits_for_the_scheduler_whose_tools_its_job_needs(local: Site) -> None:
    scheduler, _ = serve(local)
    source = "effect(0)\nprint('begun')\nimport time\ntime.sleep(2)\neffect(1)\nprint('done')\n"
    running = local.exec_in_background(source=source)
    assert running.stdout is not None
    assert running.stderr is not None
    assert running.stdout.readline() == "begun\n"  # so the first call's outcome is on record
    scheduler.kill()
    scheduler.wait()
    assert "waiting for it to be started again" in running.stderr.readline()
    local.scheduler("--app", str(local.directory / "app.py"))
    assert finish(running).out == "done\n"
    assert effects(local) == ["0", "1"]
