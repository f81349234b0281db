"""What follows in a conversation: turns, ends, revivals, bounds; cancelling and trying again at any point of it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from core_programs import Ask, Begin, Program, Say, Use
from core_talks import ANSWERED, ENDLESS, Talk
from core_world import World, fold
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from statek.core import harness as bounds_of
from statek.core import holds, machine, turns
from statek.core.agents import Harness
from statek.core.events import (
    BatchEnded,
    BatchSkipped,
    BatchSubmitted,
    ConsolePrinted,
    HarnessReached,
    JobEnded,
    JobRevived,
    LeaseEnded,
    LeaseGranted,
    MessagePushed,
    TurnAnswered,
    TurnFailed,
    TurnRequested,
    TurnUsage,
)
from statek.core.jobs import Conversation
from statek.store.records import pack, unpack_job
from statek_policies import Policy
from statek_protocol.messages.interpreter import GuestError, LimitBreach

OK = Program(((Say(b"ok\n"),),))
BAD = Program(((Say(b"no\n"),),), outcome="error")
EXIT = Program(((Say(b"bye\n"),),), exit_status="done")
WAITS = Program(((Begin("x"), Use(0)),))
ASKS = Program(((Say(b"a"),), (Ask("t"),)))


def started(*warm_up: Program, harness: Harness = ENDLESS) -> Talk:
    talk = Talk()
    talk.start(*warm_up, harness=harness)
    return talk


def ended(talk: Talk) -> tuple[str | None, str | None]:
    talk.check_ended()
    return talk.job.outcome, talk.job.exit_status


# the course of a conversation


def test_a_job_without_a_warm_up_begins_with_a_turn() -> None:
    talk = started()
    assert talk.waits == TurnRequested(1, "small", "here")
    assert (talk.job.status, talk.talk.asking) == ("STARTED", True)


def test_the_model_is_asked_when_the_warm_up_is_over() -> None:
    talk = started(OK, OK)
    assert talk.job.status == "READY"
    talk.grant()
    assert talk.job.status == "WARMING_UP"
    talk.go_on()
    assert (talk.job.status, talk.job.leased, talk.talk.turn) == ("STARTED", True, 1)
    assert isinstance(talk.events[-1], TurnRequested)


# an interpreter between two turns


def test_an_interpreter_is_kept_for_the_code_of_the_next_reply() -> None:
    talk = started(OK)
    talk.go_on()
    for _ in range(3):
        talk.reply(OK, OK)
        talk.go_on()
    talk.mumble()
    talk.reply(EXIT)
    talk.go_on()
    assert ended(talk) == ("ok", "done")
    assert [event.epoch for event in talk.of(LeaseGranted)] == [1]
    assert [event.reason for event in talk.of(LeaseEnded)] == ["the job ended"]


@pytest.mark.parametrize("program", [BAD, Program((), outcome="limit"), Program((), outcome="blocked")])
def test_no_interpreter_is_kept_after_code_that_did_not_end_well(program: Program) -> None:
    talk = started(OK)
    talk.go_on()
    talk.reply(program)
    talk.go_on()
    assert (talk.talk.asking, talk.job.leased) == (True, False)


@pytest.mark.parametrize("act", [Talk.give_up, lambda talk: talk.say("that is all"), Talk.cancel])
def test_an_interpreter_that_is_not_needed_any_more_is_ended_with_its_job(act: Callable[[Talk], None]) -> None:
    talk = started(OK)
    talk.go_on()
    act(talk)
    talk.check_ended()
    assert (talk.job.leased, talk.lease) == (False, None)


def test_nobody_is_blamed_for_an_interpreter_that_dies_between_two_turns() -> None:
    talk = started(OK)
    talk.go_on()
    for _ in range(machine.ATTEMPTS_LIMIT + 1):
        talk.interpreter_dies()
        assert (talk.job.leased, talk.talk.asking) == (False, True)
        assert not talk.of(LeaseEnded)[-1].blamed
        talk.reply(OK)
        talk.go_on()
    assert not talk.of(JobEnded)


@pytest.mark.parametrize("outcome", ["error", "limit", "blocked"])
def test_a_warm_up_that_is_not_ok_ends_the_job_before_its_model_is_asked(outcome: str) -> None:
    talk = started(Program((), outcome=outcome), OK)  # type: ignore[arg-type]
    talk.go_on()
    assert ended(talk) == (outcome, None)
    assert not talk.asked
    assert [event.batch for event in talk.of(BatchSkipped)] == [2]


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (GuestError("NameError", "name 'topic' is not defined", 3), True),
        (GuestError("NameError", "name 'pritn' is not defined. Did you mean: 'print'?", 3), True),
        (GuestError("KeyError", "name 'topic' is not defined", 3), False),
        (GuestError("NameError", "of the guest's own", 3), False),
        (None, False),
    ],
)
def test_the_owner_is_told_how_a_variable_is_given_that_the_warm_up_did_not_find(
    error: GuestError | None, *, told: bool
) -> None:
    job = started(OK).job
    over = BatchEnded(1, "error", error, None)
    (end,) = turns.after_batch(job, over, "warmup")
    assert isinstance(end, JobEnded)
    assert (end.outcome, end.error is not None) == ("error", told)
    if error is not None and end.error is not None:
        assert (end.error.type, end.error.line) == (error.type, error.line)
        assert end.error.message.startswith(error.message)
        name = error.message.split("'")[1]
        assert f"--var {name}=JSON" in end.error.message
        assert f"event_name='{name}'" in end.error.message
    assert isinstance(turns.after_batch(job, over, "reply")[0], TurnRequested)


@pytest.mark.parametrize("program", [OK, BAD, Program((), outcome="limit"), Program((), outcome="blocked")])
def test_after_its_code_ran_the_model_is_asked_whatever_came_of_it(program: Program) -> None:
    talk = started()
    talk.reply(program)
    talk.go_on()
    assert talk.waits == TurnRequested(2, "small", "here")


def test_the_batches_of_a_reply_are_one_submission() -> None:
    talk = started(OK)
    talk.go_on()
    talk.reply(OK, BAD, OK)
    talk.go_on()
    assert [event.name for event in talk.of(BatchSubmitted)] == ["warmup-1", "reply-1.1", "reply-1.2", "reply-1.3"]
    assert [event.batch for event in talk.of(BatchSkipped)] == [4]
    assert (talk.talk.turn, talk.talk.exceptions) == (2, 1)


def test_exit_ends_the_job_with_its_text() -> None:
    talk = started()
    talk.reply(EXIT, OK)
    talk.go_on()
    assert ended(talk) == ("ok", "done")
    assert talk.of(JobEnded)[0].exit_status == "done"


def test_a_reply_without_code_ends_the_job_with_what_it_says() -> None:
    talk = started()
    talk.say("All is well.")
    assert ended(talk) == ("ok", "All is well.")


def test_a_very_long_last_word_is_kept_as_far_as_a_result_may_be_long() -> None:
    talk = started()
    talk.say("x" * 100_000)
    assert ended(talk) == ("ok", "x" * 65_536)


def test_a_reply_without_code_is_asked_for_code_where_the_agent_wants_that() -> None:
    talk = Talk(plain_ends=False)
    talk.start()
    talk.say("Let me think.")
    assert talk.talk.turn == 2


def test_what_cannot_be_read_counts_as_an_exception_and_is_asked_for_again() -> None:
    talk = started()
    talk.mumble()
    talk.mumble()
    assert (talk.talk.turn, talk.talk.exceptions, talk.talk.consecutive_exceptions) == (3, 2, 2)
    talk.reply(OK)
    talk.go_on()
    assert (talk.talk.exceptions, talk.talk.consecutive_exceptions) == (2, 0)


def test_a_provider_that_gave_up_ends_the_job_as_failed() -> None:
    talk = started()
    talk.give_up()
    assert ended(talk) == ("failed", None)
    assert talk.job.error == GuestError("ModelFailed", "timeout: it took too long", None)


def test_the_error_of_an_earlier_turn_is_not_that_of_a_job_that_ended_well() -> None:
    talk = started()
    talk.reply(BAD)
    talk.go_on()
    talk.say("done")
    assert (talk.job.outcome, talk.job.error, talk.job.limit) == ("ok", None, None)


@pytest.mark.parametrize("kind", ["ExecutorDied", "ReplayDiverged"])
def test_code_that_takes_its_interpreter_down_is_told_to_the_model(kind: str) -> None:
    talk = started()
    talk.reply(OK)
    talk.grant()
    assert talk.lease is not None
    talk.apply(machine.fail(talk.job, talk.lease, GuestError(kind, "", None)))
    assert talk.talk.turn == 2


def test_a_failure_that_every_code_would_meet_ends_the_job() -> None:
    talk = started()
    talk.reply(OK)
    talk.apply(machine.abandon(talk.job, GuestError("LayersMissing", "none", None)))
    assert ended(talk) == ("failed", None)


def test_a_release_of_a_held_job_asks_its_model() -> None:
    talk = Talk(policy=Policy(name="held", on_violation="hold"))
    talk.start()
    talk.reply(Program((), outcome="blocked"))
    talk.go_on()
    assert (talk.job.status, talk.job.held) == ("SUSPENDED", 1)
    talk.apply(holds.decide(talk.job, "release", "request"))
    assert talk.talk.turn == 2


# messages


def test_a_message_is_read_in_the_next_turn() -> None:
    talk = started()
    talk.reply(OK)
    talk.push()
    assert (talk.talk.unread, talk.talk.messages) == (1, 1)
    talk.go_on()
    assert (talk.talk.turn, talk.talk.unread) == (2, 0)


def test_a_message_revives_a_job_that_has_ended() -> None:
    talk = started()
    talk.say("bye")
    talk.push()
    assert [type(event) for event in talk.events[-3:]] == [MessagePushed, JobRevived, TurnRequested]
    assert (talk.job.status, talk.talk.turn, talk.talk.completions) == ("STARTED", 2, 1)
    assert (talk.job.outcome, talk.job.exit_status) == (None, None)


def test_a_message_that_comes_before_the_last_words_is_answered_first() -> None:
    talk = started()
    talk.push()
    talk.say("bye")
    assert talk.talk.turn == 2


def test_a_message_that_comes_before_an_exit_revives_the_job_at_once() -> None:
    talk = started()
    talk.reply(EXIT)
    talk.push()
    talk.go_on()
    assert [event.exit_status for event in talk.of(JobEnded)] == ["done"]
    assert (talk.talk.turn, talk.talk.completions, talk.job.status) == (2, 1, "STARTED")


def test_a_message_knows_after_how_many_lines_it_came() -> None:
    talk = started(OK)
    talk.go_on()
    talk.reply(OK)
    talk.go_on()
    talk.push()
    assert talk.of(MessagePushed)[0].console_lines == 2


# bounds


def until_it_ends(talk: Talk, act: Callable[[Talk], None]) -> int:
    for taken in range(100):
        if talk.job.status == "DONE":
            return taken
        act(talk)
        talk.go_on()
    raise AssertionError("it goes on for ever")


@pytest.mark.parametrize(
    ("harness", "act", "taken", "limit"),
    [
        (Harness(max_turns=3), lambda talk: talk.reply(OK), 3, LimitBreach("max_turns", 3.0, 3.0)),
        (Harness(max_turns=0), lambda talk: talk.reply(OK), 0, LimitBreach("max_turns", 0.0, 0.0)),
        (Harness(max_tokens=240), lambda talk: talk.reply(OK), 2, LimitBreach("max_token_usage", 240.0, 240.0)),
        (Harness(max_tokens=250), lambda talk: talk.reply(OK), 3, LimitBreach("max_token_usage", 250.0, 360.0)),
        (Harness(max_exceptions=2), lambda talk: talk.reply(BAD), 3, LimitBreach("max_exceptions", 2.0, 3.0)),
        (Harness(max_exceptions=2), Talk.mumble, 3, LimitBreach("max_exceptions", 2.0, 3.0)),
        (
            Harness(max_consecutive_exceptions=1),
            Talk.mumble,
            2,
            LimitBreach("max_consecutive_exceptions", 1.0, 2.0),
        ),
        (Harness(max_cost_micros=6_000), Talk.mumble, 2, LimitBreach("max_cost", 0.006, 0.006)),
        (Harness(max_cost_micros=5_000), Talk.mumble, 2, LimitBreach("max_cost", 0.005, 0.006)),
    ],
)
def test_a_bound_ends_the_job_and_is_named_with_what_was_used(
    harness: Harness, act: Callable[[Talk], None], taken: int, limit: LimitBreach
) -> None:
    talk = started(harness=harness)
    assert until_it_ends(talk, act) == taken
    assert ended(talk) == ("limit", None)
    assert talk.job.limit == limit
    assert [event.limit for event in talk.of(HarnessReached)] == [limit]
    [notice] = [event for event in talk.of(ConsolePrinted) if event.stream == "notice"]
    assert notice.data == (
        f"the job ends here: {limit.name}: {limit.allowed:g} allowed, {limit.used:g} used\n".encode()
    )


def test_code_of_a_reply_that_goes_beyond_a_bound_is_not_run() -> None:
    talk = started(harness=Harness(max_tokens=100))
    talk.reply(OK)
    assert ended(talk) == ("limit", None)
    assert not talk.of(BatchSubmitted)


def test_a_cost_that_cannot_be_told_ends_a_job_that_has_a_bound_of_cost() -> None:
    talk = started(harness=Harness(max_cost_micros=1_000_000))
    talk.reply(OK, usage=TurnUsage(cost_micros=None))
    assert ended(talk) == ("failed", None)
    assert talk.job.error is not None
    assert talk.job.error.type == "PriceMissing"
    assert "small-1" in talk.job.error.message


def test_bounds_grow_with_each_revival_where_the_agent_says_so() -> None:
    talk = started(harness=Harness(max_turns=2, extension_per_completion=0.5))
    talk.reply(OK)
    talk.go_on()
    talk.say("first")
    talk.push()
    assert talk.talk.turn == 3
    talk.say("second")
    talk.push()
    assert talk.talk.turn == 4
    talk.reply(OK)
    talk.go_on()
    assert ended(talk) == ("limit", None)
    assert talk.job.limit == LimitBreach("max_turns", 4.0, 4.0)


def test_a_job_that_ended_at_a_bound_does_not_go_on_for_a_message() -> None:
    talk = started(harness=Harness(max_turns=1))
    talk.reply(OK)
    talk.go_on()
    talk.push()
    assert ended(talk) == ("limit", None)
    assert talk.talk.unread == 1


@pytest.mark.parametrize("completions", [0, 1, 7])
def test_no_bounds_bound_nothing(completions: int) -> None:
    talk = Conversation(ENDLESS, turn=10**6, exceptions=10**6, input_tokens=10**12, completions=completions)
    assert not bounds_of.before_turn(talk)
    assert not bounds_of.after_reply(talk)


# restarts


def test_a_turn_is_asked_for_again_after_a_restart_so_many_times_at_most() -> None:
    talk = started()
    for attempt in range(1, turns.TURN_ATTEMPTS_LIMIT):
        talk.scheduler_restarts()
        assert talk.waits == TurnRequested(1, "small", "here", attempt)
    talk.scheduler_restarts()
    assert ended(talk) == ("failed", None)
    assert [event.cause for event in talk.of(TurnFailed)] == ["interrupted"]


def test_a_restart_that_asks_again_shows_the_model_what_came_meanwhile() -> None:
    talk = started()
    talk.push()
    assert talk.talk.unread == 1
    talk.scheduler_restarts()
    assert talk.talk.unread == 0


# cancelling


def alone(talk: Talk) -> None:
    talk.executor_falls_silent(blamed=False)


def ready(talk: Talk) -> None:
    alone(talk)
    talk.reply(ASKS, OK)


def running(talk: Talk) -> None:
    talk.reply(ASKS, OK)
    if talk.lease is None:
        talk.grant()
    talk.step()


def calling(talk: Talk) -> None:
    running(talk)
    talk.step()


def parked(talk: Talk) -> None:
    talk.reply(WAITS, OK)
    while not talk.awaited:
        talk.go_on(1)


def evicted(talk: Talk) -> None:
    parked(talk)
    talk.executor_falls_silent(blamed=False)


def given_up_once(talk: Talk) -> None:
    running(talk)
    talk.interpreter_dies()


STATES = {
    "asking": lambda talk: None,
    **{state.__name__: state for state in (alone, ready, running, calling, parked, evicted, given_up_once)},
}


@pytest.mark.parametrize("come_to", STATES.values(), ids=STATES)
def test_a_job_is_cancelled_whatever_it_is_at(come_to: Callable[[Talk], None]) -> None:
    talk = started(OK)
    talk.go_on()
    come_to(talk)
    talk.cancel()
    assert ended(talk) == ("cancelled", None)
    assert talk.job.error == GuestError("JobCancelled", "not wanted any more", None)
    assert not talk.talk.asking
    assert len(talk.of(BatchEnded)) + len(talk.of(BatchSkipped)) == len(talk.of(BatchSubmitted))
    assert (talk.talk.exceptions, talk.job.decided) == (0, "request-1")
    assert unpack_job(pack(talk.job)) == fold(talk.events) == talk.job


@pytest.mark.parametrize("wait", [False, True])
def test_a_warm_up_is_cancelled(wait: bool) -> None:
    talk = started(WAITS, OK)
    talk.grant()
    while wait and not talk.awaited:
        talk.go_on(1)
    talk.cancel()
    assert ended(talk) == ("cancelled", None)


def test_a_held_job_is_cancelled() -> None:
    talk = Talk(policy=Policy(name="held", on_violation="hold"))
    talk.start()
    talk.reply(Program((), outcome="blocked"), OK)
    talk.go_on()
    talk.cancel()
    assert ended(talk) == ("cancelled", None)
    assert talk.job.held is None


def test_a_job_that_has_ended_is_not_cancelled() -> None:
    talk = started()
    talk.say("bye")
    before = list(talk.events)
    talk.cancel()
    assert talk.events == before


def test_an_answer_to_a_call_of_a_cancelled_batch_changes_nothing() -> None:
    talk = started()
    calling(talk)
    talk.cancel()
    before = list(talk.events)
    for key in list(talk.running):
        talk.finish_tool(key)
    assert talk.events == before


# trying again


def test_a_job_that_ended_well_or_goes_on_is_not_tried_again() -> None:
    talk = started()
    talk.retry()
    assert talk.talk.turn == 1
    talk.say("bye")
    talk.retry()
    assert (talk.job.status, talk.talk.turn) == ("DONE", 1)


@pytest.mark.parametrize("end", [Talk.cancel, Talk.give_up])
def test_a_job_whose_turn_failed_is_tried_again_in_another_turn(end: Callable[[Talk], None]) -> None:
    talk = started()
    end(talk)
    talk.retry()
    assert talk.waits == TurnRequested(2, "small", "here")
    assert (talk.job.error, talk.job.decided) == (None, "request-2")


def test_what_a_model_wrote_is_not_done_again_but_the_model_asked() -> None:
    talk = started()
    talk.reply(OK)
    talk.cancel()
    submitted = len(talk.of(BatchSubmitted))
    talk.retry()
    assert talk.waits == TurnRequested(2, "small", "here")
    assert len(talk.of(BatchSubmitted)) == submitted


def test_a_warm_up_that_failed_is_tried_again_from_where_it_failed() -> None:
    talk = started(OK, BAD, OK)
    talk.go_on()
    talk.programs[2] = OK
    talk.retry()
    roles = [(event.batch, event.group, event.role, event.name) for event in talk.of(BatchSubmitted)[3:]]
    assert roles == [(4, 4, "hidden", "warmup-2"), (5, 4, "warmup", "warmup-3")]
    talk.go_on()
    assert talk.talk.turn == 1


def test_a_plain_job_is_tried_again_with_what_failed_and_what_was_skipped() -> None:
    world = Talk()
    World.submit(world, OK, EXIT, OK)
    World.submit(world, OK, BAD, OK)
    World.submit(world, BAD)
    world.go_on()
    world.retry()
    again = world.of(BatchSubmitted)[7:]
    assert [(event.batch, event.group, event.name) for event in again] == [
        (8, 8, "program 1"),
        (9, 8, "program 2"),
        (10, 10, "program 0"),
    ]
    world.programs |= {8: OK, 9: OK, 10: OK}
    world.go_on()
    world.check_ended()
    assert world.job.outcome == "ok"


def test_only_the_last_life_of_a_job_is_tried_again() -> None:
    world = Talk()
    World.submit(world, BAD)
    world.go_on()
    World.submit(world, OK, BAD)
    world.go_on()
    world.retry()
    assert [event.name for event in world.of(BatchSubmitted)[3:]] == ["program 1"]


def test_a_cancelled_plain_job_is_tried_again_with_all_that_did_not_end() -> None:
    world = Talk()
    World.submit(world, OK, OK)
    World.submit(world, OK)
    world.go_on(1)
    world.cancel()
    assert world.job.outcome == "cancelled"
    world.retry()
    assert [(event.batch, event.group) for event in world.of(BatchSubmitted)[3:]] == [(4, 4), (5, 4), (6, 6)]


# any order of all of it

programs = st.sampled_from(
    [OK, OK, BAD, EXIT, WAITS, Program(((Ask("t"),),)), Program((), outcome="limit"), Program((), outcome="blocked")]
)
bounds = st.builds(
    Harness,
    max_turns=st.sampled_from([None, 1, 3]),
    max_tokens=st.sampled_from([None, 100, 500]),
    max_exceptions=st.sampled_from([None, 0, 2]),
    max_consecutive_exceptions=st.sampled_from([None, 1]),
    max_cost_micros=st.sampled_from([None, 10_000]),
    extension_per_completion=st.sampled_from([0.0, 0.5]),
)


RARELY = st.sampled_from([False, False, False, True])


class Conversations(RuleBasedStateMachine):
    """Any order of what can happen to a job of an agent."""

    @initialize(warm_up=st.lists(programs, max_size=2), harness=bounds, hold=st.booleans(), plain_ends=st.booleans())
    def an_agent_is_started(self, warm_up: list[Program], harness: Harness, hold: bool, plain_ends: bool) -> None:
        policy = Policy(name="test", on_violation="hold" if hold else "refuse")
        self.world = Talk(policy=policy, plain_ends=plain_ends)
        self.world.start(*warm_up, harness=harness)
        self.harness = harness

    @precondition(lambda self: self.world.lease is None and self.world.job.status == "READY")
    @rule()
    def an_executor_takes_the_job(self) -> None:
        self.world.grant()

    @precondition(lambda self: self.world.can_step)
    @rule(count=st.integers(1, 6))
    def the_interpreter_goes_on(self, count: int) -> None:
        for _ in range(count):
            if self.world.can_step:
                self.world.step()

    @precondition(lambda self: self.world.running)
    @rule()
    def a_tool_ends(self) -> None:
        self.world.finish_tool(next(iter(self.world.running)))

    @precondition(lambda self: self.world.awaited)
    @rule(fails=st.booleans())
    def a_future_comes_to_something(self, fails: bool) -> None:
        self.world.resolve(self.world.awaited[0], fails=fails)

    @precondition(lambda self: self.world.waits is not None)
    @rule(code=st.lists(programs, min_size=1, max_size=2), priced=st.booleans())
    def the_model_writes_code(self, code: list[Program], priced: bool) -> None:
        self.world.reply(*code, usage=ANSWERED if priced else TurnUsage(input_tokens=10))

    @precondition(lambda self: self.world.waits is not None)
    @rule(act=st.sampled_from([Talk.mumble, Talk.give_up, lambda talk: talk.say("that is all")]))
    def the_model_does_something_else(self, act: Callable[[Talk], None]) -> None:
        act(self.world)

    @precondition(lambda self: self.world.lease is not None)
    @rule(blamed=st.booleans())
    def a_lease_ends(self, blamed: bool) -> None:
        self.world.executor_falls_silent(blamed=blamed)

    @rule()
    def somebody_pushes_a_message(self) -> None:
        self.world.push()

    @rule(wanted=RARELY)
    def somebody_cancels(self, wanted: bool) -> None:
        if wanted:
            self.world.cancel()

    @precondition(lambda self: self.world.job.status == "DONE")
    @rule()
    def somebody_tries_it_again(self) -> None:
        self.world.retry()

    @rule(steps=st.integers(1, 30))
    def all_goes_on_by_itself(self, steps: int) -> None:
        self.world.go_on(steps)

    @precondition(lambda self: self.world.job.held is not None)
    @rule()
    def a_person_releases_it(self) -> None:
        self.world.apply(holds.decide(self.world.job, "release", "request"))

    @rule(wanted=RARELY)
    def the_scheduler_restarts(self, wanted: bool) -> None:
        if wanted:
            self.world.scheduler_restarts()

    @invariant()
    def the_model_is_asked_exactly_where_nothing_else_is_to_be_done(self) -> None:
        if hasattr(self, "world"):
            job = self.world.job
            idle = not job.pending and job.running is None
            assert self.world.talk.asking == (job.status == "STARTED" and idle)
            assert (self.world.waits is not None) == self.world.talk.asking
            assert (job.status == "READY") <= (bool(job.pending) or job.running is not None)

    @invariant()
    def an_end_has_an_outcome_and_nothing_after_it(self) -> None:
        if hasattr(self, "world") and self.world.job.status == "DONE":
            job = self.world.job
            assert job.outcome is not None
            assert (job.leased, job.pending, job.running, job.awaited) == (False, (), None, None)
            assert job.outcome != "ok" or not self.world.talk.unread or turns.bound_of_messages(job) is not None

    @invariant()
    def the_record_adds_up_to_the_state(self) -> None:
        if hasattr(self, "world"):
            world, talk = self.world, self.world.talk
            assert unpack_job(pack(world.job)) == fold(world.events) == world.job
            assert talk.completions == len(world.of(JobRevived))
            answers = [event.turn for event in world.of(TurnAnswered)]
            asked = [event.turn for event in world.of(TurnRequested) if event.attempt == 0]
            assert asked == list(range(1, talk.turn + 1))
            assert len(set(answers)) == len(answers)
            ran = [*[end.batch for end in world.of(BatchEnded)], *[skip.batch for skip in world.of(BatchSkipped)]]
            assert len(set(ran)) == len(ran)

    @invariant()
    def no_bound_is_exceeded_by_more_than_one_reply(self) -> None:
        if hasattr(self, "world"):
            talk = self.world.talk
            grown = 1 + talk.granted + self.harness.extension_per_completion * talk.completions
            for bound, used, reply in (
                (self.harness.max_turns, talk.turn, 0),
                (self.harness.max_tokens, talk.input_tokens + talk.output_tokens, 120),
                (self.harness.max_exceptions, talk.exceptions, 1),
                (self.harness.max_consecutive_exceptions, talk.consecutive_exceptions, 1),
                (self.harness.max_cost_micros, talk.cost_micros, 3_000),
            ):
                assert bound is None or used <= bound * grown + reply


Conversations.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestAnyOrderOfAConversation = Conversations.TestCase
