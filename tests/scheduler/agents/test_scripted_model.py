"""The model server of tests and the demonstration: it says what its script says, and holds clients to the API."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from questions import asking, request, script
from scripted_model import Answer, Conversation, Script, ScriptedModel, ScriptUnusable, load_script

from statek.agents.requests import ModelFailure, ModelReply

ROOT = Path(__file__).parents[3]

SCRIPT = '''
[[conversation]]
marker = "you are the dispatcher"
after = "repeat"

[[conversation.reply]]
text = "I look first."
code = """
print(task)
"""

[[conversation.reply]]
text = "Done."
fault = {kind = "status", status = 429, retry_after = 0.01, times = 2}

[[conversation]]
marker = "you are the asker"

[[conversation.reply]]
calls = [["python", "{}"]]
'''


def post(model: ScriptedModel, body: object, path: str = "/v1/chat/completions", **headers: str) -> tuple[int, Any]:
    connection = http.client.HTTPConnection("127.0.0.1", model.port, timeout=10)
    connection.request("POST", path, json.dumps(body) if not isinstance(body, str) else body, headers)
    response = connection.getresponse()
    found = response.status, json.loads(response.read())
    connection.close()
    return found


def chat(*messages: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"model": "m", "messages": list(messages), **more}


USER = {"role": "user", "content": "you are the dispatcher"}
SAID = {"role": "assistant", "content": "I look first."}


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "script.toml"
    path.write_text(SCRIPT)
    return path


def test_the_reply_is_the_one_after_those_that_the_request_has(written: Path) -> None:
    with ScriptedModel(load_script(written)) as model:
        first = post(model, chat(USER))
        again = post(model, chat(USER))
        refused = [post(model, chat(USER, SAID, USER))[0] for _ in range(2)]
        second = post(model, chat(USER, SAID, USER))
    words = [body["choices"][0]["message"]["content"] for _, body in (first, again, second)]
    assert words == ["I look first.\n\n```python\nprint(task)\n```"] * 2 + ["Done."]
    assert refused == [429, 429]


def test_a_script_that_has_said_all_repeats_itself_or_says_so(written: Path) -> None:
    with ScriptedModel(load_script(written)) as model:
        messages = [USER, SAID] * 5
        statuses = [post(model, chat(*messages, USER))[0] for _ in range(3)]
        asker = {"role": "user", "content": "you are the asker"}
        status, body = post(model, chat(asker, SAID, asker))
    assert statuses == [429, 429, 200]
    assert (status, body["error"]["message"]) == (
        400,
        "the script does not go on: the conversation 'you are the asker' has 1 replies, and 1 were given",
    )


CALL = {"id": "c1", "type": "function", "function": {"name": "python", "arguments": "{}"}}


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        ("{", "not JSON"),
        ({"messages": [USER]}, "model parameter"),
        (chat(), "at least one message"),
        (chat({"role": "nobody", "content": "x"}), "a role is needed"),
        (chat({"role": "user", "content": None}), "a text is needed"),
        (chat({"role": "user", "content": "x", "tool_calls": [CALL]}), "only an assistant"),
        (chat({"role": "assistant", "content": None, "tool_calls": [CALL]}), "have no answers"),
        (chat({"role": "assistant", "content": None, "tool_calls": [CALL]}, USER), "have no answers"),
        (chat(USER, {"role": "tool", "content": "x", "tool_call_id": "c1"}), "must answer a preceding tool call"),
        (chat({"role": "assistant", "content": "", "tool_calls": [{**CALL, "id": ""}]}), "needs an id"),
        (chat({"role": "user", "content": "who are you?"}), "no message has one of the markers"),
    ],
)
def test_what_the_api_would_refuse_is_refused(body: object, complaint: str) -> None:
    with ScriptedModel(script(Answer(text="x"))) as model:
        status, answer = post(model, body)
    assert status == 400
    assert complaint in answer["error"]["message"]


def test_requests_without_the_key_and_other_paths_are_refused() -> None:
    with ScriptedModel(script(Answer(text="x")), key="k") as model:
        assert post(model, chat(USER))[0] == 401
        assert post(model, chat(USER), "/v2", Authorization="Bearer k")[0] == 404


def test_many_conversations_go_on_at_the_same_time() -> None:
    def author_of(number: int) -> Conversation:
        return Conversation(f"you are the asker {number}.", (Answer(text=f"yes {number}"),))

    with ScriptedModel(Script(tuple(map(author_of, range(30))))) as model, asking(model) as asker:
        for number in range(30):
            asker.begin(request(f"{number}."))
        results = [asker.next() for _ in range(30)]
    assert {result.turn.text for result in results if isinstance(result, ModelReply)} == {f"yes {n}" for n in range(30)}


def test_what_an_author_raises_is_told_to_the_client() -> None:
    def author(_: object) -> Answer:
        raise LookupError("nothing to say")

    with ScriptedModel(author) as model, asking(model) as asker:
        result = asker.ask()
    assert isinstance(result, ModelFailure)
    assert "nothing to say" in result.message


def test_nothing_of_a_server_is_left_after_it() -> None:
    with ScriptedModel(script(Answer(text="x"))) as model:
        post(model, chat({"role": "user", "content": "you are the asker"}))
    assert "scripted-model" not in [thread.name for thread in threading.enumerate()]
    with pytest.raises(ConnectionRefusedError):
        post(model, chat(USER))


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("marker", "makrer", "a conversation has no makrer"),
        ('kind = "status"', 'kind = "mood"', "its kind is one of status, hang"),
        ('"repeat"', '"stop"', "after is error or repeat"),
        ('text = "Done."', 'tetx = "Done."', "has no tetx"),
        ("[[conversation.reply]]\ncalls", "calls", "has no calls"),
        ("[[conversation]]", "[[conversation", "script.toml"),
    ],
)
def test_a_script_that_cannot_be_meant_is_refused(written: Path, old: str, new: str, complaint: str) -> None:
    written.write_text(SCRIPT.replace(old, new))
    with pytest.raises(ScriptUnusable, match=complaint):
        load_script(written)


def test_the_command_serves_a_script_until_it_is_told_to_end(written: Path, tmp_path: Path) -> None:
    port_file = tmp_path / "port"
    command = [sys.executable, "-m", "scripted_model", "--script", str(written), "--port-file", str(port_file)]
    environment = {**os.environ, "MODEL_KEY": "k"}
    with subprocess.Popen(
        [*command, "--key-variable", "MODEL_KEY"], cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            connection = http.client.HTTPConnection("127.0.0.1", int(url.split(":")[2].split("/")[0]), timeout=10)
            connection.request("GET", "/v1/models", headers={"Authorization": "Bearer k"})
            assert connection.getresponse().status == 200
            connection.close()
            assert url == f"http://127.0.0.1:{int(port_file.read_text())}/v1"
        finally:
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=10) == 0


def test_the_command_refuses_a_script_that_is_none(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "scripted_model", "--script", str(tmp_path / "missing.toml")]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("scripted_model: ")
