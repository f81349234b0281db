"""Queues: what is pushed is durable, delivered once and in order, and what cannot be stays where people see it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from agents_stand import AgentStand, agents_stand, plain

from statek.agents.agent import Agent
from statek.core.events import MessagePushed
from statek.errors import SubmissionRefused
from statek.loop import queueing
from statek.loop.queueing import BODY_BYTES, NewItem
from statek.loop.tick import Tick
from statek.store.agent_table import KnownAgent
from statek.store.given import decode_given, encode_given, outline
from statek_protocol.messages.client import NewJob, Push, Pushed, Redrive, Redriven, Refused, StartJobs
from statek_protocol.references import HandleRef
from statek_protocol.values import encode_value


class NoExports:
    def __init__(self) -> None:
        self.objects: dict[str, object] = {}

    def name_of(self, _: object) -> None:
        return None


def dispatcher(warmup: str = "user = event", **keywords: Any) -> Agent:
    return Agent("dispatcher", warmup=warmup, **keywords)


def event_of(stand: AgentStand, number: int, name: str = "event") -> object:
    """Return what the job that began as that one was given."""
    return decode_given(stand.given_to(stand.created()[number]), NoExports())[name]


def end(stand: AgentStand, job: str) -> None:
    """Have a job ended that waits for an executor."""
    from statek_protocol.messages.interpreter import GuestError

    def work(tick: Tick) -> None:
        ready = stand.stand.loop.ready_job(job)
        assert ready is not None
        stand.stand.loop.abandon(tick, ready, GuestError("Ended", "by the test", None))

    stand.decide(work)


@pytest.fixture
def here(tmp_path: Path) -> Iterator[AgentStand]:
    with agents_stand(tmp_path / "ledger", max_concurrency=5) as stand:
        stand.define(dispatcher())
        yield stand


def test_an_event_becomes_a_job_that_has_it_in_the_variable_of_the_warm_up(here: AgentStand) -> None:
    here.push({"user": "Alex"})
    assert [item.agent for item in here.waiting()] == ["dispatcher"]
    here.deliver()
    assert event_of(here, 0) == {"user": "Alex"}
    assert here.waiting() == []
    assert here.stand.loop.queueing.depth("main") == 0
    (told,) = here.notes("event_delivered")
    assert told["started"] == here.created()[0].job


def test_events_become_jobs_in_the_order_in_which_they_were_pushed(here: AgentStand) -> None:
    for number in range(5):
        here.push(number)
    here.deliver()
    assert [event_of(here, number) for number in range(5)] == [0, 1, 2, 3, 4]


def test_what_is_pushed_while_nobody_delivers_waits_for_the_next_scheduler(tmp_path: Path) -> None:
    with agents_stand(tmp_path / "ledger") as before:
        numbers = [before.push("one"), before.push("two")]
    with agents_stand(tmp_path / "ledger") as after:
        assert after.push("three") > max(numbers)
        after.define(dispatcher())
        after.deliver()
        assert [event_of(after, number) for number in range(3)] == ["one", "two", "three"]


def test_events_wait_in_their_queue_while_their_agent_has_enough_under_way(here: AgentStand) -> None:
    here.deliver()
    for number in range(30):
        here.push(number)
    room = here.stand.loop.delivering.max_under_way
    assert (len(here.created()), here.stand.loop.queueing.depth("main")) == (room, 30 - room)
    end(here, here.created()[0].job)
    assert (len(here.created()), here.stand.loop.queueing.depth("main")) == (room + 1, 29 - room)
    assert event_of(here, room) == room


def test_jobs_that_were_under_way_before_a_restart_count(tmp_path: Path) -> None:
    with agents_stand(tmp_path / "ledger", max_concurrency=2) as before:
        before.define(dispatcher())
        before.deliver()
        for number in range(9):
            before.push(number)
        assert len(before.created()) == 4
    with agents_stand(tmp_path / "ledger", max_concurrency=2) as after:
        after.deliver()
        assert (len(after.created()), after.stand.loop.queueing.depth("main")) == (4, 5)
        end(after, after.created()[0].job)
        assert len(after.created()) == 5


def test_one_agents_backlog_holds_up_no_other(here: AgentStand) -> None:
    here.define(dispatcher(), Agent("researcher"))
    here.deliver()
    for number in range(30):
        here.push(number)
    here.push("mine", agent="researcher")
    assert here.created()[-1].agent == "researcher"


def test_queues_take_turns_for_an_agents_places(here: AgentStand) -> None:
    for number in range(60):
        here.push(("busy", number), queue="busy")
    for number in range(20):
        here.push(("quiet", number), queue="quiet")
    here.deliver()
    begun = here.stand.loop.delivering.max_under_way
    for number in range(30 - begun):
        here.stand.turn()  # turns in which nothing is delivered let no queue lose its place
        end(here, here.created()[number].job)
    whose = [str(cast(tuple[str, int], event_of(here, number))[0]) for number in range(30)]
    assert whose.count("quiet") == 15


def test_only_the_queues_that_a_scheduler_was_told_are_delivered(here: AgentStand) -> None:
    here.push("kept", queue="other")
    here.deliver(queues=["main"])
    here.push("mine")
    assert [event_of(here, 0)] == ["mine"]
    assert len(here.waiting("other")) == 1


def test_what_operators_say_to_jobs_is_delivered_whatever_queues_a_scheduler_was_told(here: AgentStand) -> None:
    here.deliver(queues=["inbox"])
    here.push("begin", queue="inbox")
    job = here.created()[0].job
    here.push_message(job, "hurry")
    here.push_message(job, "later", queue="other")
    said = [stored.event for stored in here.ledger.events(job, kinds=(MessagePushed.kind,))]
    assert [event.text for event in said if isinstance(event, MessagePushed)] == [b"hurry"]


def test_it_is_said_once_of_a_queue_that_nobody_delivers_here(
    here: AgentStand, caplog: pytest.LogCaptureFixture
) -> None:
    here.deliver(queues=["inbox", "main"])
    for queue in ("inbox", "inbx", "inbx", "main"):
        here.push("one", queue=queue)
    assert [record.getMessage() for record in caplog.records if "waits" in record.getMessage()] == [
        "what is pushed into the queue 'inbx' waits: this scheduler delivers out of 'inbox', 'main'"
    ]


def test_events_of_agents_that_are_not_active_here_wait(here: AgentStand) -> None:
    here.define(dispatcher(), Agent("researcher"))
    here.stand.loop.roster.active = frozenset({"dispatcher"})
    here.deliver()
    here.push("later", agent="researcher")
    here.push("now")
    assert [created.agent for created in here.created()] == ["dispatcher"]
    assert len(here.waiting(agent="researcher")) == 1


def test_what_cannot_be_delivered_is_a_dead_letter_and_holds_up_nothing(here: AgentStand) -> None:
    here.push("for nobody", agent="dispatch")
    item = NewItem("main", None, "dispatcher", b"junk")
    here.decide(lambda tick: here.stand.loop.queueing.push(tick, item))
    here.push_message("job-never", "Hello")
    here.push("good")
    here.deliver()
    assert [event_of(here, 0)] == ["good"]
    unknown, junk, nowhere = here.dead()
    assert "there is no agent 'dispatch'" in (unknown.dead_reason or "")
    assert "cannot become a job" in (junk.dead_reason or "")
    assert nowhere.dead_reason == "there is no job 'job-never' in this store"
    assert here.stand.loop.queueing.depth("main") == 3
    assert {told["item"] for told in here.notes("dead_letter")} == {unknown.number, junk.number, nowhere.number}


def test_an_event_for_an_agent_that_nobody_knows_is_refused_by_a_scheduler_that_delivers(here: AgentStand) -> None:
    kept = here.push("early", agent="dispatch", key="once")
    here.deliver(["main"])
    assert [item.number for item in here.dead()] == [kept]
    with pytest.raises(SubmissionRefused, match="no agent 'dispatch' in this store; did you mean 'dispatcher'") as no:
        here.push("late", agent="dispatch")
    assert no.value.code == "unknown_agent"
    assert here.push("again", agent="dispatch", key="once") == kept
    with pytest.raises(SubmissionRefused, match="no agent 'dispatch'"):
        here.push("elsewhere", agent="dispatch", queue="other")
    assert here.stand.loop.queueing.depth("main") == 1


def test_dead_letters_are_put_back_or_thrown_away(here: AgentStand) -> None:
    first, second = here.push("one", agent="researcher"), here.push("two", agent="researcher")
    here.deliver()
    assert [item.number for item in here.dead()] == [first, second]
    queueing = here.stand.loop.queueing
    assert here.decide(lambda tick: queueing.redrive(tick, "main", first, "discard")) == 1
    here.define(dispatcher(), Agent("researcher"))
    assert here.decide(lambda tick: queueing.redrive(tick, "main", None)) == 1
    assert [created.agent for created in here.created()] == ["researcher"]
    assert (here.dead(), queueing.depth("main")) == ([], 0)
    assert [told["act"] for told in here.notes("dead_letters_decided")] == ["discard", "redrive"]
    with pytest.raises(SubmissionRefused, match="no dead letter"):
        here.decide(lambda tick: queueing.redrive(tick, "main", second))


def test_a_turn_takes_no_more_dead_letters_than_memory_is_there_for(
    here: AgentStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    for text in "abcde":
        here.push(text, agent="researcher")
    here.deliver()
    monkeypatch.setattr(queueing, "_STEP", 2)
    monkeypatch.setattr(queueing, "REDRIVEN_BYTES", 1)
    taken = [here.decide(lambda tick: here.stand.loop.queueing.redrive(tick, "main", None, "discard")) for _ in "abcd"]
    assert taken == [2, 2, 1, 0]
    assert here.dead() == []


def test_a_dead_letter_that_is_put_back_and_still_undeliverable_is_dead_again(here: AgentStand) -> None:
    number = here.push("one", agent="researcher")
    here.deliver()
    here.decide(lambda tick: here.stand.loop.queueing.redrive(tick, "main", number))
    (item,) = here.dead()
    assert (item.number, item.attempts) == (number, 1)


def test_a_key_is_pushed_once_also_when_it_was_delivered_and_after_a_restart(tmp_path: Path) -> None:
    with agents_stand(tmp_path / "ledger") as before:
        before.define(dispatcher())
        before.deliver()
        number = before.push("one", key="order-7")
        assert before.push("two", key="order-7") == number
        assert before.push("other queue", key="order-7", queue="other") != number
    with agents_stand(tmp_path / "ledger") as after:
        assert after.push("three", key="order-7") == number
        assert len(after.created()) == 2


def test_a_request_that_is_sent_twice_pushes_once(here: AgentStand) -> None:
    here.deliver()
    request = Push("r1", "main", None, "dispatcher", plain({"user": "Alex"}))
    for _ in range(2):
        here.stand.ask(request)
    here.stand.turn()
    here.stand.ask(request)
    here.stand.turn()
    assert len({pushed.number for pushed in here.stand.told(Pushed)}) == 1
    assert [event_of(here, 0)] == [{"user": "Alex"}]
    assert len(here.created()) == 1


def test_a_full_queue_refuses_what_comes_and_no_other_does(here: AgentStand) -> None:
    here.stand.loop.queueing.max_depth = 2
    here.push("one")
    here.push("two")
    with pytest.raises(SubmissionRefused, match="the queue 'main' is full: 2 items wait in it") as refused:
        here.push("three")
    assert refused.value.code == "queue_full"
    here.push("elsewhere", queue="other")
    here.deliver()
    here.push("three")


def test_no_more_queues_are_begun_than_are_counted_and_one_that_is_empty_does_not_count(
    here: AgentStand, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queueing, "MAX_QUEUES", 2)
    here.push("one")
    here.push("two", queue="second")
    with pytest.raises(SubmissionRefused, match="2 queues have items") as refused:
        here.push("three", queue="third")
    assert refused.value.code == "queue_full"
    here.push("more", queue="second")
    here.deliver()
    here.push("three", queue="third")


@pytest.mark.parametrize(
    ("item", "code"),
    [
        (NewItem("main", None, "dispatcher", b"x" * (BODY_BYTES + 1)), "body"),
        (NewItem("main", "job", None, b"\xff"), "body"),
        (NewItem("", None, "dispatcher", b""), "target"),
        (NewItem("main", None, None, b""), "target"),
        (NewItem("main", "job", "dispatcher", b""), "target"),
        (NewItem("ma\nin", None, "dispatcher", b""), "queue"),
        (NewItem("main", None, "dispatcher", b"", key="k" * 201), "key"),
    ],
)
def test_what_cannot_be_pushed_is_refused(here: AgentStand, item: NewItem, code: str) -> None:
    with pytest.raises(SubmissionRefused) as refused:
        here.decide(lambda tick: here.stand.loop.queueing.push(tick, item))
    assert refused.value.code == code
    assert here.stand.loop.queueing.depth("main") == 0


def test_clients_are_refused_bodies_that_are_none(here: AgentStand) -> None:
    reference = encode_value(HandleRef(0, "Calendar"), max_bytes=100, max_depth=1, crossing=_references())
    for number, body in enumerate((b"\xc1", b"\x91" * 100 + b"\x01", reference)):
        here.stand.ask(Push(f"r{number}", "main", None, "dispatcher", body))
    here.stand.turn()
    assert [refused.code for refused in here.stand.told(Refused)] == ["body"] * 3


def test_an_agent_whose_warm_up_leaves_the_event_open_takes_none(here: AgentStand) -> None:
    here.push("too early")
    here.define(dispatcher("print(user, message)"))
    with pytest.raises(SubmissionRefused, match="the warm-up of 'dispatcher' reads user, message"):
        here.push("one")
    here.deliver()
    (item,) = here.dead()
    assert "reads user, message" in (item.dead_reason or "")
    here.define(dispatcher("print(user, message)", event_name="message"))
    here.decide(lambda tick: here.stand.loop.queueing.redrive(tick, "main", item.number))
    assert outline(here.given_to(here.created()[0])) == {"message": "str"}


def test_an_agent_whose_changes_do_not_hold_any_more_harms_nobody_else(tmp_path: Path) -> None:
    with agents_stand(tmp_path / "ledger") as before:
        before.define(dispatcher(), Agent("clerk"))
        before.push("one")
        known = KnownAgent(dispatcher().definition(), 1, {"of an earlier release": 1}, 2)
        before.ledger.append((), (), {}, agents=[known])
    with agents_stand(tmp_path / "ledger") as here:
        here.deliver()
        (item,) = here.dead()
        assert "unknown field 'of an earlier release'" in (item.dead_reason or "")
        here.stand.ask(StartJobs("r1", "dispatcher", (NewJob(),)))
        here.stand.ask(Push("r2", "main", None, "dispatcher", plain(1)))
        here.stand.turn()
        assert [refused.code for refused in here.stand.told(Refused)] == ["agent", "agent"]
        here.push("two", agent="clerk")
        assert [created.agent for created in here.created()] == ["clerk"]


def test_redrive_over_the_socket_is_answered_once_more(here: AgentStand) -> None:
    number = here.push("one", agent="researcher")
    here.deliver()
    for _ in range(2):
        here.stand.ask(Redrive("r1", "main", number, "discard"))
    here.stand.ask(Redrive("r2", "main", number, "discard"))
    here.stand.turn()
    assert [redriven.items for redriven in here.stand.told(Redriven)] == [1, 1]
    assert [refused.code for refused in here.stand.told(Refused)] == ["no_dead_letter"]


# crashes


class Crash(Exception):
    """The process ends here."""


def die_at(stand: AgentStand, commit: int, *, after: bool) -> None:
    """Let the scheduler die at one of its commits: before it, or when it is durable and nobody has heard of it."""
    append, left = stand.ledger.append, [commit]

    def dying(*arguments: Any, **keywords: Any) -> Any:
        left[0] -= 1
        if left[0] == 0 and not after:
            raise Crash
        done = append(*arguments, **keywords)
        if left[0] == 0:
            raise Crash
        return done

    stand.ledger.append = dying  # type: ignore[method-assign]


def push_everything(stand: AgentStand, job: str) -> None:
    for number in range(2):
        stand.push(number, key=f"event-{number}", queue=f"queue-{number % 2}")
        stand.push_message(job, f"message {number}", key=f"message-{number}")


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_whatever_commit_the_scheduler_dies_at_each_item_is_delivered_once_and_in_order(
    tmp_path: Path, after: bool
) -> None:
    commit, died = 0, True
    while died:
        commit, died = commit + 1, False
        path = tmp_path / str(commit) / "ledger"
        path.parent.mkdir()
        with agents_stand(path, max_concurrency=1) as before:
            before.define(dispatcher(), Agent("clerk", warmup="print(1)"))
            (job,) = before.start("clerk")
            before.deliver()
            die_at(before, commit, after=after)
            try:
                push_everything(before, job)
            except Crash:
                died = True
        with agents_stand(path) as again:
            again.deliver()
            push_everything(again, job)
            assert sorted(int(str(event_of(again, number))) for number in (1, 2)) == [0, 1]
            said = [event.text for event in again.stand.events(job) if isinstance(event, MessagePushed)]
            assert said == [b"message 0", b"message 1"]
            assert len(again.created()) == 3
            assert again.stand.loop.queueing.waiting() == []
    assert commit > 6, "not every commit was tried"


# events with objects


def with_object(value: object) -> bytes:
    """Write an event as if one of its parts were an object that an application exports."""

    class Exports(NoExports):
        def name_of(self, part: object) -> str | None:  # type: ignore[override]
            return "calendar" if isinstance(part, Exports) else None

    exports = Exports()
    return encode_given({"calendar": exports, "value": value}, exports)


def push_with_object(here: AgentStand, value: object) -> int:
    item = NewItem("main", None, "dispatcher", with_object(value))
    number: int = here.decide(lambda tick: here.stand.loop.queueing.push(tick, item))
    return number


def test_an_event_with_objects_waits_until_they_were_looked_for_and_keeps_its_place(here: AgentStand) -> None:
    here.deliver()
    first = push_with_object(here, 1)
    here.push(2)
    assert here.created() == []
    ((bodies, on_looked),) = here.tools.looks
    assert list(bodies) == [first]
    on_looked({first: None})
    here.stand.turn()
    assert [outline(here.given_to(created)) for created in here.created()] == [{"event": "dict"}, {"event": "int"}]


def test_an_event_whose_objects_are_gone_is_a_dead_letter(here: AgentStand) -> None:
    here.deliver()
    number = push_with_object(here, 1)
    _, on_looked = here.tools.looks[0]
    on_looked({number: "the object abc is not in dbzero any more"})
    here.stand.turn()
    (item,) = here.dead()
    assert item.dead_reason == "the object abc is not in dbzero any more"
    assert here.created() == []


def test_what_could_not_be_looked_for_is_looked_for_again(here: AgentStand) -> None:
    here.deliver()
    number = push_with_object(here, 1)
    here.tools.looks.pop()[1]({})
    here.stand.turn()
    here.tools.looks.pop()[1]({number: None})
    here.stand.turn()
    assert len(here.created()) == 1


# messages to jobs


def test_a_message_is_a_fact_of_its_job_in_the_transaction_in_which_it_leaves_its_queue(here: AgentStand) -> None:
    (job,) = here.start()
    here.deliver()
    here.push_message(job, "Can you move it one hour later?")
    here.push_message(job, "Or two.")
    said = [event for event in here.stand.events(job) if isinstance(event, MessagePushed)]
    assert [event.text for event in said] == [b"Can you move it one hour later?", b"Or two."]
    assert [event.source for event in said] == ["main", "main"]
    assert here.stand.loop.queueing.depth("main") == 0


def test_a_message_for_a_job_of_a_clients_own_batches_is_a_dead_letter(here: AgentStand) -> None:
    job = here.stand.submitted().job
    here.deliver()
    here.push_message(job, "Hello")
    (item,) = here.dead()
    assert "has no agent whose model could be told" in (item.dead_reason or "")


def _references() -> Any:
    from statek_protocol.references import PlainReferences

    return PlainReferences()
