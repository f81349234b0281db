"""Agents of a store: how they become known, are revised, and how their jobs begin."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from agents_stand import AgentStand, agents_stand, plain

from statek.agents.agent import Agent
from statek.agents.definitions import unpack
from statek.core.jobs import digest
from statek.errors import AgentRefused, SubmissionRefused
from statek.loop.roster import SUBTASK_DEPTH, JobStart
from statek.store.given import encode_given, from_plain, outline
from statek_protocol.messages.client import NewJob, Refused, ReviseAgent, Revised, Started, StartJobs


def search(text: str) -> str:
    return text


def dispatcher(model: str = "small", **keywords: object) -> Agent:
    return Agent("dispatcher", "Send it on.", model=model, tools=[search], warmup="user = event.user", **keywords)  # type: ignore[arg-type]


@pytest.fixture
def here(tmp_path: Path) -> Iterator[AgentStand]:
    with agents_stand(tmp_path / "ledger") as stand:
        stand.define(dispatcher())
        yield stand


def test_a_job_keeps_the_version_that_it_begins_with(here: AgentStand) -> None:
    (before,) = here.start()
    here.define(dispatcher("large"))
    (after,) = here.start()
    versions = [unpack(here.ledger.blob(here.stand.job(name).definition)).model for name in (before, after)]
    assert versions == ["small", "large"]


def test_an_agent_is_known_after_a_restart_without_its_program(tmp_path: Path) -> None:
    with agents_stand(tmp_path / "ledger") as before:
        before.define(dispatcher())
    with agents_stand(tmp_path / "ledger") as after:
        (name,) = after.start()
        assert after.stand.job(name).agent == "dispatcher"
        assert [known.code for known in after.ledger.agents()] == [dispatcher().definition()]


def test_a_definition_that_is_the_same_is_neither_written_nor_told_again(here: AgentStand) -> None:
    (defined,) = here.ledger.agents()
    here.define(dispatcher())
    assert here.ledger.agents() == [defined]
    here.define(dispatcher("large"))
    assert [told["model"] for told in here.notes("agent_defined")] == ["small", "large"]


def test_an_operators_changes_stand_over_the_programs_until_they_are_taken_back(here: AgentStand) -> None:
    def version() -> tuple[str, int | None]:
        definition = here.stand.loop.roster.definition("dispatcher")
        assert definition is not None
        return definition.model, definition.harness.max_turns

    roster = here.stand.loop.roster
    told = here.decide(lambda tick: roster.revise(tick, "dispatcher", {"model": "huge"}))
    here.decide(lambda tick: roster.revise(tick, "dispatcher", {"max_turns": 3}))
    here.define(dispatcher("large"))
    assert version() == ("huge", 3)
    (name,) = here.start()
    assert told != here.stand.job(name).definition
    (known,) = here.ledger.agents()
    assert (known.code.model, known.changes) == ("large", {"model": "huge", "max_turns": 3})
    here.decide(lambda tick: roster.revise(tick, "dispatcher", None))
    assert version() == ("large", 50)
    assert [told["fields"] for told in here.notes("agent_revised")] == [["model"], ["max_turns", "model"], []]


def test_changes_outlive_the_scheduler(tmp_path: Path) -> None:
    with agents_stand(tmp_path / "ledger") as before:
        before.define(dispatcher())
        before.decide(lambda tick: before.stand.loop.roster.revise(tick, "dispatcher", {"model": "huge"}))
    with agents_stand(tmp_path / "ledger") as after:
        after.define(dispatcher())
        (name,) = after.start()
        assert unpack(after.ledger.blob(after.stand.job(name).definition)).model == "huge"


def test_changes_that_do_not_fit_a_new_program_are_told_with_the_way_out(here: AgentStand) -> None:
    changes = {"limits": {"calls": 0}}
    with pytest.raises(AgentRefused, match="calls = 0 allows no call"):
        here.stand.loop.roster.revise(here.stand.loop._new_tick(), "dispatcher", changes)
    here.define(Agent("quiet"))
    here.decide(lambda tick: here.stand.loop.roster.revise(tick, "quiet", changes))
    definition = Agent("quiet", tools=[search]).definition()
    with pytest.raises(AgentRefused, match=r"statek agents revise quiet --reset") as refused:
        here.stand.loop.roster.define(here.stand.loop._new_tick(), [definition])
    assert refused.value.agent == "quiet"


def test_jobs_of_a_batch_begin_all_or_none(here: AgentStand) -> None:
    good = JobStart(encode_given({"user": "Alex"}), b"Please.", "first")
    with pytest.raises(SubmissionRefused, match="'search' is the name of a tool"):
        here.start("dispatcher", good, JobStart(encode_given({"search": 1})))
    assert here.created() == []
    assert here.start("dispatcher", good, JobStart(name="second")) == ("first", "second")
    first, second = here.created()
    assert outline(here.given_to(first)) == {"user": "str"}
    assert second.given == ""
    assert here.stand.kinds("first")[:2] == ["job_created", "message_pushed"]


@pytest.mark.parametrize(
    ("job", "code", "text"),
    [
        (JobStart(name="known"), "job_exists", "there is a job 'known' in this store already"),
        (JobStart(name="bad\nname"), "job_name", "is no name for a job"),
        (JobStart(encode_given({"print": 1})), "variables", "'print' is a name that every guest has already"),
        (JobStart(encode_given({"a b": 1})), "variables", "'a b' is no name for a variable"),
        (JobStart(encode_given({"_hidden": 1})), "variables", "'_hidden' is no name"),
        (JobStart(encode_given([1])), "variables", "variables are a map of values by name"),
        (JobStart(encode_given({1: 2})), "variables", "variables are a map of values by name"),
        (
            JobStart(encode_given(dict.fromkeys(f"v{n}" for n in range(1_001)))),
            "variables",
            "1001 variables; a job can",
        ),
        (JobStart(b"junk"), "variables", "variables are a map of values by name"),
        (JobStart(message=b"\xff"), "message", "a message is UTF-8 text"),
    ],
)
def test_a_job_is_not_begun_with(here: AgentStand, job: JobStart, code: str, text: str) -> None:
    here.start("dispatcher", JobStart(name="known"))
    with pytest.raises(SubmissionRefused, match=text) as refused:
        here.start("dispatcher", job)
    assert refused.value.code == code


def test_an_unknown_agent_is_told_with_the_nearest_name(here: AgentStand) -> None:
    with pytest.raises(
        SubmissionRefused, match="there is no agent 'dispatch' in this store; did you mean 'dispatcher'"
    ):
        here.start("dispatch")


def test_a_subtask_names_a_job_that_there_is(here: AgentStand) -> None:
    (parent,) = here.start()
    (child,) = here.start(parent=parent)
    assert here.stand.job(child).parent == parent
    with pytest.raises(SubmissionRefused, match="there is no job 'nobody'"):
        here.start(parent="nobody")


def test_a_call_that_outlasts_its_cancelled_job_begins_no_subtask_of_it(here: AgentStand) -> None:
    (parent,) = here.start()
    begun = here.start(parent=parent, key="call")
    here.decide(lambda tick: here.stand.loop.steering.cancel(tick, parent, "enough"))
    with pytest.raises(SubmissionRefused, match="was cancelled, and its subtasks with it"):
        here.start(parent=parent)
    assert here.start(parent=parent, key="call") == begun
    here.decide(lambda tick: here.stand.loop.steering.retry(tick, parent))
    assert here.start(parent=parent)


def test_subtasks_of_subtasks_come_to_an_end(here: AgentStand) -> None:
    (job,) = here.start()
    for _ in range(SUBTASK_DEPTH):
        (job,) = here.start(parent=job)
    with pytest.raises(SubmissionRefused, match="16 deep, and no deeper"):
        here.start(parent=job)


def test_a_key_begins_its_jobs_once_also_after_a_restart(tmp_path: Path) -> None:
    with agents_stand(tmp_path / "ledger") as before:
        before.define(dispatcher())
        names = before.start("dispatcher", JobStart(), JobStart(), key="order-7")
        assert before.start("dispatcher", JobStart(), JobStart(), key="order-7") == names
    with agents_stand(tmp_path / "ledger") as after:
        assert after.start("dispatcher", JobStart(), JobStart(), key="order-7") == names
        assert len(after.created()) == 2


def test_a_request_that_comes_twice_in_one_turn_begins_its_jobs_once(here: AgentStand) -> None:
    request = StartJobs("r1", "dispatcher", (NewJob(plain({"user": "Alex"})), NewJob(None, b"Hello")))
    here.stand.ask(request)
    here.stand.ask(request)
    here.stand.turn()
    first, second = here.stand.told(Started)
    assert first == second
    assert len(here.created()) == 2


def test_clients_are_refused_values_that_are_none(here: AgentStand) -> None:
    for number, values in enumerate((b"\xc1", plain([1]), plain({"search": 1}))):
        here.stand.ask(StartJobs(f"r{number}", "dispatcher", (NewJob(values),)))
    here.stand.turn()
    assert [refused.code for refused in here.stand.told(Refused)] == ["variables"] * 3
    assert here.created() == []


def test_an_operator_revises_over_the_socket_and_is_answered_once_more(here: AgentStand) -> None:
    for _ in range(2):
        here.stand.ask(ReviseAgent("r1", "dispatcher", {"model": "huge"}))
    here.stand.ask(ReviseAgent("r2", "dispatcher", {"modell": "huge"}))
    here.stand.ask(ReviseAgent("r3", "nobody", {}))
    here.stand.turn()
    first, second = here.stand.told(Revised)
    assert first == second
    assert len(here.notes("agent_revised")) == 1
    refused = {refused.request: refused for refused in here.stand.told(Refused)}
    assert "did you mean 'model'" in refused["r2"].reason
    assert refused["r3"].code == "unknown_agent"
    (name,) = here.start()
    assert here.stand.job(name).definition == first.definition


def test_what_another_process_sends_is_kept_as_what_is_written_here(here: AgentStand) -> None:
    assert from_plain(plain({"user": "Alex"})) == encode_given({"user": "Alex"})
    assert digest(from_plain(plain(1))) == digest(encode_given(1))
