"""Queues by their names: what is none is told before anything is pushed or started."""

from __future__ import annotations

import asyncio

import pytest

from statek import PushQueue, start_statek_async
from statek.application.client_api import start_jobs
from statek.errors import SubmissionRefused
from statek.service.starting import run_jobs_loop


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 201])
def test_what_is_no_name_of_a_queue_makes_none(name: str) -> None:
    with pytest.raises(SubmissionRefused, match="is no name of a queue") as refused:
        PushQueue(name)
    assert refused.value.code == "queue"
    with pytest.raises(TypeError, match="a queue's name is a str, not int"):
        PushQueue(7)  # type: ignore[arg-type]


def test_one_text_is_not_a_list_of_queues() -> None:
    with pytest.raises(TypeError, match=r"is needed: \['main'\]"):
        asyncio.run(start_statek_async(push_queues="main"))
    with pytest.raises(TypeError, match=r"is needed: \['main'\]"):
        asyncio.run(run_jobs_loop(queue_prefixes="main"))


@pytest.mark.parametrize("key", ["", "a\nb", "x" * 161])
def test_a_key_that_cannot_be_kept_is_refused(key: str) -> None:
    with pytest.raises(SubmissionRefused, match="an idempotency key has 1 to 160 printable characters"):
        start_jobs("clerk", [], key=key, parent=None, store="/nowhere")
