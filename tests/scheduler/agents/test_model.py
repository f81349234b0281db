"""Asking models over real HTTP: what is asked, what comes back, and what is done about everything that goes wrong."""

from __future__ import annotations

import json
import logging
import socket
import subprocess
import sys
import threading
from typing import Any

import pytest
from questions import Asker, asking, provider, request, script
from scripted_model import Answer, ChatRequest, Fault, ScriptedModel

from statek.agents.chat import PYTHON_TOOL
from statek.agents.failures import told
from statek.agents.model import ModelsBusy, ModelsClosed, ModelThread, UnknownProvider
from statek.agents.prompts import text_tokens, tokens_of
from statek.agents.providers import Secret
from statek.agents.replies import Code, CodeBlock, read_reply
from statek.agents.requests import LostReply, ModelFailure, ModelReply, RequestRefused

KEY = "sk-of-nobody-0123456789"


def replied(result: object) -> ModelReply:
    assert isinstance(result, ModelReply), result
    return result


def failed(result: object) -> ModelFailure:
    assert isinstance(result, ModelFailure), result
    return result


@pytest.mark.parametrize("streaming", [True, False])
@pytest.mark.parametrize("tools", [(), (PYTHON_TOOL,)])
def test_a_reply_comes_whole_in_either_style(streaming: bool, tools: tuple[Any, ...]) -> None:
    answer = Answer(text="I look.", code=("a = 1\nprint(a)\n", "b = 2\n"), piece_characters=3)
    with ScriptedModel(script(answer)) as model, asking(model, streaming=streaming) as asker:
        reply = replied(asker.ask(request(tools=tools)))
    meaning = read_reply(reply.turn, reply.finish_reason, reply.refusal)
    assert isinstance(meaning, Code)
    sources = [block.source for block in meaning.blocks]
    assert sources == (["a = 1\nprint(a)\n", "b = 2\n"] if tools else ["a = 1\nprint(a)\n\nb = 2\n"])
    assert reply.turn.text.startswith("I look.")
    assert reply.finish_reason == ("tool_calls" if tools else "stop")
    assert (reply.model, reply.attempts) == ("m-1", 1)
    assert 0 < reply.first_token_seconds <= reply.seconds


def test_what_is_sent_is_what_was_asked() -> None:
    asked = request(
        tools=(PYTHON_TOOL,), max_output_tokens=77, options={"temperature": 0.5, "reasoning_effort": "low", "top_k": 3}
    )
    with ScriptedModel(script(Answer(text="yes")), key=KEY) as model, asking(model, key=Secret(KEY)) as asker:
        replied(asker.ask(asked))
        (sent,) = model.requests
    assert sent.body == {
        "model": "m-1",
        "messages": [dict(message) for message in asked.messages],
        "tools": [PYTHON_TOOL],
        "max_completion_tokens": 77,
        "temperature": 0.5,
        "reasoning_effort": "low",
        "top_k": 3,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.headers["accept-encoding"] == "identity"


def test_an_older_endpoint_is_told_the_limit_in_its_own_words() -> None:
    with ScriptedModel(script(Answer(text="yes"))) as model, asking(model, reply_limit_name="max_tokens") as asker:
        asker.ask(request(max_output_tokens=5))
        assert model.requests[0].body["max_tokens"] == 5


@pytest.mark.parametrize("name", ["messages", "model", "stream", "n", "tools", "max_tokens", "extra_headers"])
def test_options_cannot_set_what_is_the_runtimes(name: str) -> None:
    with pytest.raises(RequestRefused, match=name):
        request(options={name: 1})


def test_usage_is_the_providers_count() -> None:
    answer = Answer(text="yes " * 10, cached_tokens=3, cost=0.0012345, model="m-1-2026")
    with ScriptedModel(script(answer)) as model, asking(model) as asker:
        reply = replied(asker.ask())
        text = json.dumps(model.requests[0].messages)
    assert (reply.input_tokens, reply.cached_tokens, reply.output_tokens) == (-(-len(text) // 4), 3, 10)
    assert (reply.usage_estimated, reply.reported_cost_micros, reply.model) == (False, 1_235, "m-1-2026")


def test_usage_that_is_not_told_is_estimated_and_marked_so() -> None:
    asked = request()
    with ScriptedModel(script(Answer(text="yes " * 10, usage=False))) as model, asking(model) as asker:
        reply = replied(asker.ask(asked))
    assert reply.usage_estimated
    assert (reply.input_tokens, reply.cached_tokens) == (tokens_of(asked.messages), 0)
    assert reply.output_tokens == text_tokens("yes " * 10)


def test_a_refusal_is_told_apart() -> None:
    with ScriptedModel(script(Answer(refusal="I will not."))) as model, asking(model) as asker:
        assert replied(asker.ask()).refusal == "I will not."


FAULTS_THAT_PASS = [
    Fault(kind="status", status=429),
    Fault(kind="status", status=408),
    Fault(kind="status", status=409),
    Fault(kind="status", status=500),
    Fault(kind="status", status=503),
    Fault(kind="close"),
    Fault(kind="cut", after=2),
    Fault(kind="malformed"),
    Fault(kind="error", status=500),
    Fault(kind="raw", raw="HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: [DONE]\n\n"),
    Fault(kind="raw", raw="what is this\r\n\r\n"),
]


@pytest.mark.parametrize("fault", FAULTS_THAT_PASS, ids=lambda fault: f"{fault.kind}-{fault.status}")
def test_what_may_pass_is_tried_again_and_the_reply_is_whole(fault: Fault) -> None:
    answer = Answer(text="one two three four five", piece_characters=4, fault=fault)
    with ScriptedModel(script(answer)) as model, asking(model) as asker:
        reply = replied(asker.ask())
        assert model.count == 2
    assert reply.turn.text == "one two three four five"
    assert reply.attempts == 2


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(kind="status", status=429, times=None), "rate_limited"),
        (Fault(kind="status", status=500, times=None), "unreachable"),
        (Fault(kind="close", times=None), "unreachable"),
        (Fault(kind="malformed", times=None), "malformed"),
    ],
)
def test_what_does_not_pass_is_given_up_after_its_retries_and_may_be_asked_again(fault: Fault, kind: str) -> None:
    with ScriptedModel(script(Answer(text="x", fault=fault))) as model, asking(model, retries=2) as asker:
        failure = failed(asker.ask())
        assert model.count == 3
    assert (failure.kind, failure.retryable, failure.attempts) == (kind, True, 3)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Fault(kind="status", status=400, message="no such model"), "refused"),
        (Fault(kind="status", status=401), "refused"),
        (Fault(kind="status", status=404), "refused"),
        (Fault(kind="status", status=422), "refused"),
        (Fault(kind="status", status=429, code="insufficient_quota"), "rate_limited"),
        (
            Fault(kind="raw", raw="HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/v1\r\nContent-Length: 0\r\n\r\n"),
            "refused",
        ),
    ],
    ids=["400", "401", "404", "422", "no money", "redirected"],
)
def test_what_waiting_does_not_mend_is_not_tried_again(fault: Fault, kind: str) -> None:
    with ScriptedModel(script(Answer(text="x", fault=fault))) as model, asking(model) as asker:
        failure = failed(asker.ask())
        assert model.count == 1
    assert (failure.kind, failure.retryable, failure.attempts) == (kind, False, 1)
    assert f"HTTP {fault.status if fault.kind == 'status' else 302}" in failure.message


def test_an_endpoint_is_given_the_time_that_it_asks_for() -> None:
    fault = Fault(kind="status", status=429, retry_after=0.3)
    with ScriptedModel(script(Answer(text="x", fault=fault))) as model, asking(model) as asker:
        reply = replied(asker.ask())
    assert reply.seconds >= 0.3


def test_an_endpoint_that_wants_more_time_than_there_is_ends_the_question_at_once() -> None:
    fault = Fault(kind="status", status=429, retry_after=3_600)
    with ScriptedModel(script(Answer(text="x", fault=fault))) as model, asking(model) as asker:
        failure = failed(asker.ask())
    assert (failure.kind, failure.retry_after_seconds, failure.attempts) == ("rate_limited", 3_600.0, 1)


@pytest.mark.parametrize("kind", ["hang", "stall"])
def test_a_silence_ends_an_attempt(kind: Any) -> None:
    answer = Answer(text="x", fault=Fault(kind=kind))
    with ScriptedModel(script(answer)) as model, asking(model, idle_seconds=0.2) as asker:
        assert replied(asker.ask()).attempts >= 2
        model.wait_for(lambda: model.disconnects >= 1)


def test_a_reply_that_comes_too_slowly_ends_at_the_deadline() -> None:
    answer = Answer(text="x" * 400, piece_characters=1, pause_seconds=0.05)
    with ScriptedModel(script(answer)) as model, asking(model, total_seconds=0.4) as asker:
        failure = failed(asker.ask())
        model.wait_for(lambda: model.disconnects == 1)
    assert (failure.kind, failure.retryable, failure.attempts) == ("timeout", True, 1)
    assert "within 0.4 s" in failure.message


def test_an_endpoint_that_is_not_there_is_unreachable() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound and not listening: nobody can connect
        asker = Asker(provider(f"http://127.0.0.1:{taken.getsockname()[1]}/v1", retries=1))
        asker.thread.start()
        failure = failed(asker.ask())
        asker.thread.close()
    assert (failure.kind, failure.retryable, failure.attempts) == ("unreachable", True, 2)


HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"


def cut_after(**usage: object) -> str:
    """The beginning of a reply for which the provider has counted this by then."""
    delta = {"index": 0, "delta": {"role": "assistant", "content": "on"}}
    chunk = {"id": "1", "object": "chat.completion.chunk", "created": 0, "model": "m-1-2026", "choices": [delta]}
    return f"{HEAD}\r\ndata: {json.dumps({**chunk, 'usage': usage})}\n\n"


@pytest.mark.parametrize("times", [2, None])
def test_what_a_provider_counts_for_attempts_that_come_to_nothing_is_told(times: int | None) -> None:
    raw = cut_after(prompt_tokens=100, completion_tokens=7, prompt_tokens_details={"cached_tokens": 40}, cost=0.5)
    answer = Answer(text="one", fault=Fault(kind="raw", raw=raw, times=times))
    with ScriptedModel(script(answer)) as model, asking(model, retries=2) as asker:
        result = asker.ask()
    assert isinstance(result, ModelFailure if times is None else ModelReply)
    assert result.lost == (LostReply("m-1-2026", 100, 40, 7, 500_000),) * (times or 3)


def test_an_attempt_for_which_nothing_is_counted_is_no_lost_reply() -> None:
    answer = Answer(text="one two three", piece_characters=2, fault=Fault(kind="cut", after=2, times=1))
    with ScriptedModel(script(answer)) as model, asking(model) as asker:
        reply = replied(asker.ask())
    assert (reply.attempts, reply.lost) == (2, ())


def test_what_was_counted_before_the_time_for_a_question_was_over_is_told() -> None:
    counted = cut_after(prompt_tokens=100, completion_tokens=7)
    answer = Answer(text="x" * 400, piece_characters=1, pause_seconds=0.05, fault=Fault(kind="raw", raw=counted))
    with ScriptedModel(script(answer)) as model, asking(model, total_seconds=0.4) as asker:
        failure = failed(asker.ask())
    assert (failure.kind, failure.attempts) == ("timeout", 2)
    assert failure.lost == (LostReply("m-1-2026", 100, 0, 7, None),)


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        (Answer(text="x" * 5_000), "the reply is longer than 2000 bytes"),
        (Answer(code="x" * 5_000), "the reply is longer than 2000 bytes"),
        (Answer(fault=Fault(kind="raw", raw=f"{HEAD}\r\ndata: {'x' * 1_000_000}")), "more than any reply may have"),
        (Answer(fault=Fault(kind="raw", raw=HEAD + "\r\n" + ": x\n" * 500_000)), "more than any reply may have"),
        (Answer(fault=Fault(kind="raw", raw=f"{HEAD}Content-Encoding: gzip\r\n\r\nxxx")), "compresses"),
    ],
    ids=["text", "code", "line", "lines", "compressed"],
)
def test_what_an_endpoint_sends_is_bounded(answer: Answer, complaint: str) -> None:
    with ScriptedModel(script(answer)) as model, asking(model, max_reply_bytes=2_000) as asker:
        failure = failed(asker.ask(request(tools=(PYTHON_TOOL,))))
        assert model.count == 1
    assert (failure.kind, failure.retryable) == ("malformed", False)
    assert complaint in failure.message


def stream(*pieces: object) -> Fault:
    body = "".join(f"data: {piece if isinstance(piece, str) else json.dumps(piece)}\n\n" for piece in pieces)
    return Fault(kind="raw", raw=f"{HEAD}\r\n{body}data: [DONE]\n\n", times=None)


def delta(words: object, finish_reason: object = None) -> dict[str, Any]:
    return {"choices": [{"index": 0, "delta": words, "finish_reason": finish_reason}]}


@pytest.mark.parametrize(
    "pieces",
    [
        [delta({"content": 5}, "stop")],
        [delta({"content": "x"}, 7)],
        [delta({"content": "x"})],
        [delta({"tool_calls": 3}, "stop")],
        [delta({"tool_calls": [{"index": 0, "function": {"name": [], "arguments": ""}}]}, "stop")],
        [{"choices": 5}],
        [5],
        ["[" * 100_000],
        ["{}"],
        ["null"],
    ],
)
def test_a_stream_of_anything_is_no_reply_and_harms_nobody(pieces: list[object]) -> None:
    with ScriptedModel(script(Answer(fault=stream(*pieces)))) as model, asking(model, retries=1) as asker:
        failure = failed(asker.ask())
    assert (failure.kind, failure.attempts) == ("malformed", 2)


def test_a_lone_surrogate_in_a_reply_becomes_text_that_can_be_kept() -> None:
    answer = Answer(fault=stream('{"choices":[{"delta":{"content":"\\ud800"},"finish_reason":"stop"}]}'))
    with ScriptedModel(script(answer)) as model, asking(model) as asker:
        assert replied(asker.ask()).turn.text == "\\ud800"


def test_calls_that_all_have_the_index_0_are_told_apart_by_their_ids() -> None:
    def piece(id: str | None, arguments: str) -> dict[str, Any]:
        return delta({"tool_calls": [{"index": 0, "id": id, "function": {"name": "python", "arguments": arguments}}]})

    pieces = [piece("a", '{"code": '), piece(None, '"one"}'), piece("b", '{"code": "two"}'), delta({}, "tool_calls")]
    with ScriptedModel(script(Answer(fault=stream(*pieces)))) as model, asking(model) as asker:
        reply = replied(asker.ask())
    assert read_reply(reply.turn) == Code((CodeBlock("one", "a"), CodeBlock("two", "b")))


def test_a_cancelled_question_closes_its_connection_and_is_told_so() -> None:
    with ScriptedModel(script(Answer(fault=Fault(kind="hang")))) as model, asking(model) as asker:
        call = asker.begin()
        model.wait_for(lambda: model.concurrent == 1)
        call.cancel()
        assert failed(asker.next()).kind == "cancelled"
        model.wait_for(lambda: model.disconnects == 1)
        call.cancel()
        assert asker.results.empty()


def test_a_question_can_be_cancelled_before_its_first_step_and_while_it_waits_for_its_turn() -> None:
    hanging = Answer(fault=Fault(kind="hang", times=None))
    with ScriptedModel(script(hanging)) as model, asking(model, concurrency=1) as asker:
        first = asker.begin()
        model.wait_for(lambda: model.concurrent == 1)
        waiting = asker.begin()
        waiting.cancel()
        assert failed(asker.next()).kind == "cancelled"
        first.cancel()
        assert failed(asker.next()).kind == "cancelled"
        assert model.count == 1


def test_no_more_questions_than_the_provider_takes_are_under_way() -> None:
    with ScriptedModel(script(Answer(text="x", pause_seconds=0.03))) as model, asking(model, concurrency=3) as asker:
        for _ in range(20):
            asker.begin()
        for _ in range(20):
            replied(asker.next())
        assert 1 < model.most_concurrent <= 3


def test_no_more_questions_are_taken_than_may_wait() -> None:
    hanging = Answer(fault=Fault(kind="hang", times=None))
    with ScriptedModel(script(hanging)) as model, asking(model, most_calls=2) as asker:
        calls = [asker.begin(), asker.begin()]
        with pytest.raises(ModelsBusy, match="2 questions"):
            asker.begin()
        calls[0].cancel()
        failed(asker.next())
        asker.begin()


def test_closing_cancels_what_is_under_way_and_ends_the_thread() -> None:
    with ScriptedModel(script(Answer(fault=Fault(kind="hang", times=None)))) as model:
        with asking(model) as asker:
            for _ in range(3):
                asker.begin()
            model.wait_for(lambda: model.concurrent == 3)
            asker.thread.close()
            assert [failed(asker.next()).kind for _ in range(3)] == ["cancelled"] * 3
            with pytest.raises(ModelsClosed):
                asker.begin()
        assert "statek-models" not in [thread.name for thread in threading.enumerate()]


def test_a_thread_that_was_not_started_asks_nobody() -> None:
    thread = ModelThread([provider("http://127.0.0.1:1/v1")])
    with pytest.raises(ModelsClosed):
        thread.ask("", request(), print)
    thread.close()


def test_a_provider_that_is_not_configured_is_named() -> None:
    thread = ModelThread([provider("http://127.0.0.1:1/v1")])
    with pytest.raises(UnknownProvider, match="did you mean 'scripted'"):
        thread.ask("script", request(), print)
    with pytest.raises(UnknownProvider, match="none is configured"):
        ModelThread([]).ask("", request(), print)


def test_a_callback_that_fails_is_logged_and_harms_no_other(caplog: pytest.LogCaptureFixture) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("no")

    with ScriptedModel(script(Answer(text="x"))) as model, asking(model) as asker:
        asker.thread.ask("", request(), fail)
        replied(asker.ask())
    assert "the callback of a question to a model failed" in caplog.text


def test_a_fault_of_ours_is_an_answer_too(caplog: pytest.LogCaptureFixture) -> None:
    with ScriptedModel(script(Answer(text="x"))) as model, asking(model) as asker:
        failure = failed(asker.ask(request(options={"temperature": object()})))
        assert (failure.kind, failure.retryable) == ("internal", False)
        replied(asker.ask())
    assert "TypeError" in caplog.text


def test_a_key_appears_in_no_failure_and_no_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    def author(asked: ChatRequest) -> Answer:
        message = f"you sent {asked.headers['authorization']}"
        return Answer(fault=Fault(kind="status", status=400 + asked.turn, message=message, times=None))

    with ScriptedModel(author) as model, asking(model, key=Secret(KEY), retries=1) as asker:
        failure = failed(asker.ask())
    assert failure.message.startswith("scripted: HTTP 400: you sent")
    assert KEY not in failure.message
    assert KEY not in repr(failure)
    assert caplog.records
    assert KEY not in caplog.text
    assert all(KEY not in repr(vars(record)) for record in caplog.records)


@pytest.mark.parametrize("before", [240, 270, 299])
def test_no_part_of_a_key_is_told_where_what_an_endpoint_says_is_cut(before: int) -> None:
    key = Secret("0123456789abcdef" * 4)
    text = told(f"{'x' * before} {key.reveal()} and so on")
    assert len(text) < 350
    assert "0123" not in text


def test_keys_in_the_environment_are_not_sent_to_whoever_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_ADMIN_KEY", KEY)
    monkeypatch.setenv("OPENAI_ORG_ID", "org-1")
    monkeypatch.setenv("OPENAI_PROJECT_ID", "project-1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:1/v1")
    with ScriptedModel(script(Answer(text="x"))) as model, asking(model) as asker:
        replied(asker.ask())
        headers = model.requests[0].headers
    assert not {"authorization", "openai-organization", "openai-project"} & headers.keys()


def test_nothing_of_the_client_is_imported_before_a_model_is_asked() -> None:
    code = (
        "import sys, statek.agents.model, statek.agents.prompts, statek.agents.pricing\n"
        "thread = statek.agents.model.ModelThread([]); thread.start(); thread.close()\n"
        "print(*sorted({'openai', 'httpx2', 'pydantic', 'anyio'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "\n"
