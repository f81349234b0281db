"""Whom a model is asked of: definitions that cannot work are refused, and keys are shown by nothing."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest

from statek.agents.providers import Provider, ProviderUnusable, Secret, key_from_environment, key_from_file
from statek.core.agents import AgentDefinition
from statek.service.model_gateway import ModelOptions, unanswerable

KEY = "sk-0123456789abcdef-of-nobody"


def test_what_would_make_an_agents_jobs_fail_is_told_before_they_do() -> None:
    """A scheduler warns of it at its start."""
    agents = [AgentDefinition(name="ann", model="m"), AgentDefinition(name="bob", model="m", provider="q")]
    agents.append(AgentDefinition(name="cid"))
    [bob, cid] = unanswerable(ModelOptions([provider()]), agents)
    assert bob == "agent 'bob': no model provider is called 'q'; choose from p"
    assert cid == "the agent 'cid' names no model, and there is no default: set `model` (STATEK_MODEL)"
    assert list(unanswerable(ModelOptions([provider(name="q")], "m"), agents)) == []


def provider(**changes: Any) -> Provider:
    return Provider(**{"name": "p", "base_url": "https://models.example/v1", **changes})


def test_a_key_is_shown_by_nothing() -> None:
    secret = Secret(KEY)
    assert secret.reveal() == KEY
    for shown in (repr(secret), str(secret), f"{secret}", repr(provider(key=secret)), repr({"key": secret})):
        assert KEY not in shown
    with pytest.raises(TypeError, match="not pickled"):
        copy.deepcopy(secret)  # which does as pickle does


def test_keys_are_compared_by_what_they_are() -> None:
    assert Secret(KEY) == Secret(KEY)
    assert Secret(KEY) != Secret(KEY + "x")
    assert provider(key=Secret(KEY)) == provider(key=Secret(KEY))


@pytest.mark.parametrize("text", ["", "two words", "line\nbreak", "schlüssel", "tab\t"])
def test_a_key_that_no_header_can_carry_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ProviderUnusable, match="no header can carry") as refused:
        Secret(text)
    assert not text or text not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"name": ""}, "no name"),
        ({"base_url": "models.example/v1"}, "must begin with https:// or http://"),
        ({"base_url": "ftp://models.example"}, "must begin with"),
        ({"base_url": "https:///v1"}, "must begin with"),
        ({"base_url": "https://user:word@models.example/v1"}, "has a user"),
        ({"base_url": "https://models.example/v1?key=word"}, "a query"),
        ({"base_url": "https://models.example:port/v1"}, "the address is none"),
        ({"base_url": "http://models.example/v1", "key": Secret(KEY)}, "anybody on the way could read the key"),
        ({"idle_seconds": 0}, "idle_seconds = 0"),
        ({"total_seconds": float("nan")}, "total_seconds = nan"),
        ({"retries": -1}, "retries = -1"),
        ({"concurrency": 0}, "concurrency = 0"),
        ({"concurrency": True}, "concurrency = True"),
        ({"reply_limit_name": "limit"}, "max_completion_tokens or max_tokens"),
    ],
)
def test_a_provider_that_cannot_work_is_refused(changes: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ProviderUnusable) as refused:
        provider(**changes)
    assert complaint in str(refused.value)
    assert "word" not in str(refused.value)


@pytest.mark.parametrize(
    "changes",
    [
        {"base_url": "http://127.0.0.1:8000/v1", "key": Secret(KEY)},
        {"base_url": "http://[::1]:8000/v1", "key": Secret(KEY)},
        {"base_url": "http://localhost/v1", "key": Secret(KEY)},
        {"base_url": "http://models.example/v1"},
        {"base_url": "http://models.example/v1", "key": Secret(KEY), "plain_http": True},
    ],
)
def test_plain_http_is_for_this_host_for_no_key_and_for_whoever_says_so(changes: dict[str, Any]) -> None:
    assert provider(**changes).base_url.startswith("http://")


def test_a_key_is_taken_from_the_environment() -> None:
    assert key_from_environment("MODEL_KEY", {"MODEL_KEY": f" {KEY}\n"}).reveal() == KEY
    with pytest.raises(ProviderUnusable, match="the environment has no MODEL_KEY"):
        key_from_environment("MODEL_KEY", {"MODEL_KEY": " "})


def test_a_key_is_taken_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_text(f"{KEY}\n")
    assert key_from_file(path).reveal() == KEY


def test_a_file_that_holds_no_key_is_refused_without_being_shown(tmp_path: Path) -> None:
    path = tmp_path / "key"
    for data in (b"", b"two words", KEY.encode() + b"\nmore", b"\xff\xfe", b"x" * 10_000):
        path.write_bytes(data)
        with pytest.raises(ProviderUnusable) as refused:
            key_from_file(path)
        assert KEY not in str(refused.value)
    with pytest.raises(ProviderUnusable, match="cannot be read: No such file"):
        key_from_file(tmp_path / "missing")
