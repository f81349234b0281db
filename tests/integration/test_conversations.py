"""Whatever is killed in the middle of a conversation, every turn's code runs once and every reply is paid for once."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TypeVar

import pytest
from integration.services import Command, Site, wait_for
from scripted_model import Answer, ChatRequest, Fault, ScriptedModel

from statek import JobHandle, cancel_job, get_job, push_message, submit_new_job
from statek.core.events import BatchEnded, CallAnswered, Event, MessagePushed, TurnAnswered, TurnRequested
from statek.errors import SchedulerSilent
from statek.inspection.store_view import JobView
from statek.store.directory import StoreDirectory
from statek.store.history import History

E = TypeVar("E", bound=Event)

STEPS = 6
APP = """
import pathlib
from statek import Agent

effects = pathlib.Path(__file__).with_name("effects.txt")


def effect(number: int) -> int:
    with effects.open("a") as file:
        file.write(f"{number}\\n")
    return number * 10


helper = Agent("helper", "You are THE HELPER.", model="gpt-4o-mini", tools=[effect])
agents = [helper]
"""
WORK = f"""
total = 0
for step in range({STEPS}):
    total += effect(step)
    spent = 0
    while spent < 1_000_000:
        spent += 1
    print("step", step)
"""
REPLIES = (
    Answer(code=WORK),
    Answer(code="print('total', total)"),
    Answer(code="exit(f'done with {total}')"),
    Answer(text="You are welcome."),
)


class Author:
    """Says the replies in their order, whatever it is told."""

    def __init__(self) -> None:
        self.hanging = {0}
        """Replies that are not given when they are asked for first, but when they are asked for again."""

    def __call__(self, request: ChatRequest) -> Answer:
        number = sum(message["role"] == "assistant" for message in request.messages)
        if number in self.hanging:
            self.hanging.remove(number)
            return Answer(fault=Fault(kind="hang", times=None))
        return REPLIES[number]


@pytest.fixture
def author() -> Author:
    return Author()


@pytest.fixture
def model(author: Author) -> Iterator[ScriptedModel]:
    with ScriptedModel(author) as server:
        yield server


@pytest.fixture
def site(local: Site, model: ScriptedModel) -> Site:
    local.environment |= {"STATEK_MODEL_BASE_URL": model.base_url, "STATEK_MODEL_API_KEY": "sk-test"}
    local.write(APP, "app.py")
    return local


def serve(site: Site) -> Command:
    return site.scheduler("--app", str(site.directory / "app.py"))


def embedded(site: Site) -> Command:
    return site.embedded_scheduler("--app", str(site.directory / "app.py"))


def killed(*commands: Command) -> None:
    for command in commands:
        command.kill()
        command.wait()


def of(site: Site, job: JobHandle, kind: type[E]) -> list[E]:
    with History.read(StoreDirectory(site.store).ledger) as ledger:
        events = [stored.event for stored in ledger.events(job.name, limit=10_000)]
    return [event for event in events if isinstance(event, kind)]


def effects(site: Site) -> list[str]:
    file = site.directory / "effects.txt"
    return file.read_text().split() if file.exists() else []


def view(site: Site, job: JobHandle) -> JobView:
    return get_job(job.name, store=site.store)


def check(site: Site, job: JobHandle, turns: int) -> None:
    """Each turn was answered once, its code ran once, and its usage counts once."""
    answers = of(site, job, TurnAnswered)
    assert [answer.turn for answer in answers] == list(range(1, turns + 1))
    ran = [event.batch for event in of(site, job, BatchEnded)]
    assert ran == sorted(set(ran))
    assert effects(site) == [str(step) for step in range(STEPS)]
    used = view(site, job).usage
    assert used.input_tokens == sum(answer.usage.input_tokens for answer in answers)
    assert used.cost_micros == sum(answer.usage.cost_micros or 0 for answer in answers) > 0


def test_a_conversation_survives_a_kill_at_every_stage_of_it(site: Site, model: ScriptedModel, author: Author) -> None:
    author.hanging = {0, 1}
    scheduler = serve(site)
    job = submit_new_job("helper", store=site.store)
    wait_for(lambda: model.count >= 1, "a question that hangs")
    killed(scheduler)  # while the model is asked

    scheduler = serve(site)
    wait_for(lambda: of(site, job, TurnAnswered), "a reply on record")
    assert view(site, job).status == "READY"
    killed(scheduler)  # between a reply and its batch

    scheduler = serve(site)
    executor = site.executor()
    wait_for(lambda: len(of(site, job, CallAnswered)) >= 3, "some steps on record")
    killed(scheduler, executor)  # in the batch of a reply, and in no call, of which nobody would know the outcome

    scheduler = serve(site)
    executor = site.executor()
    wait_for(lambda: model.count >= 3, "the second question, which hangs")
    push_message(job.name, "Tell me the total.", store=site.store)
    wait_for(lambda: of(site, job, MessagePushed), "a message on record")
    killed(scheduler, executor)  # while the model is asked, with a message that came meanwhile

    serve(site)
    site.executor()
    wait_for(lambda: view(site, job).status == "DONE", "the end")
    done = view(site, job)
    assert (done.outcome, done.exit_status) == ("ok", f"done with {sum(range(STEPS)) * 10}")
    assert done.py_env.console == [*[f"step {step}" for step in range(STEPS)], f"total {sum(range(STEPS)) * 10}"]
    asked = [(event.turn, event.attempt) for event in of(site, job, TurnRequested)]
    assert asked == [(1, 0), (1, 1), (2, 0), (2, 1), (3, 0)]
    texts = [str(message["content"]) for message in model.requests[-1].messages]
    assert sum("Tell me the total." in text for text in texts) == 1
    check(site, job, 3)


def test_a_message_is_delivered_once_however_often_it_is_pushed_around_a_kill(site: Site, model: ScriptedModel) -> None:
    scheduler = embedded(site)
    job = submit_new_job("helper", store=site.store)
    wait_for(lambda: model.count >= 1, "a question that hangs")
    pushed = threading.Event()

    def push() -> None:
        for _ in range(3):
            try:
                push_message(job.name, "Thank you.", key="once", store=site.store)
            except SchedulerSilent:
                continue
            pushed.set()
            return

    pushing = threading.Thread(target=push)
    pushing.start()
    killed(scheduler)
    embedded(site)
    pushing.join(60)
    assert pushed.is_set()
    push_message(job.name, "Thank you.", key="once", store=site.store)
    wait_for(lambda: view(site, job).status == "DONE", "the end")
    assert len(of(site, job, MessagePushed)) == 1
    check(site, job, len(of(site, job, TurnAnswered)))


def test_a_job_is_cancelled_while_its_code_runs_and_while_its_model_is_asked(site: Site, model: ScriptedModel) -> None:
    embedded(site)
    job = submit_new_job("helper", store=site.store)
    wait_for(lambda: model.count >= 1, "a question that hangs")
    assert cancel_job(job.name, "enough", store=site.store)
    wait_for(lambda: model.disconnects, "the question was given up")
    other = submit_new_job("helper", store=site.store)
    wait_for(lambda: effects(site), "code that runs")
    assert cancel_job(other.name, "enough", store=site.store)
    for cancelled in (job, other):
        end = view(site, cancelled)
        assert (end.status, end.outcome) == ("DONE", "cancelled")
        assert end.error is not None
        assert "enough" in end.error.message
    assert len(effects(site)) <= STEPS
