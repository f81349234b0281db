"""How one endpoint is asked, and asked again when that may help. In the thread of `model`.

**What is tried again.** An attempt that ended with 408, 409, 429 or 5xx, with a connection that failed or broke off,
with a silence longer than `idle_seconds`, or with a reply that is none. Nothing of a reply is used before it is whole,
so one that broke off is asked for as a whole again; what had come of it is dropped, and what the provider says that it
counted for it goes with the answer to the question, whatever that is.

**When.** After as long as the endpoint says, or else after twice as long each time, with some chance in it so that many
do not come back at once. All attempts at a question have `total_seconds` together; a wait beyond that is not begun.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from typing import Any, Final

import openai

from statek.agents.collecting import Collector
from statek.agents.connecting import client_of, headers_of
from statek.agents.failures import FAULTS, failure_of, told
from statek.agents.providers import Provider
from statek.agents.requests import LostReply, ModelFailure, ModelReply, ModelRequest, ModelResult

_JITTER: Final = 0.25
"""The part of a wait that is left to chance."""
_CHANCE: Final = random.SystemRandom()


class Endpoint:
    """One provider, as it is asked."""

    def __init__(self, provider: Provider) -> None:
        self._provider = provider
        self._client = client_of(provider)
        self._turns = asyncio.Semaphore(provider.concurrency)

    async def ask(self, request: ModelRequest) -> ModelResult:
        """Ask, once a turn is free; cancelled, it closes its connection."""
        async with self._turns:
            return await _Question(self._client, self._provider, request).ask()

    async def close(self) -> None:
        await self._client.close()


class _Question:
    """One request with all attempts at it."""

    def __init__(self, client: openai.AsyncOpenAI, provider: Provider, request: ModelRequest) -> None:
        self._client = client
        self._provider = provider
        self._request = request
        self._attempts = 0
        self._collector = Collector(provider.max_reply_bytes)
        self._lost: tuple[LostReply, ...] = ()
        self._clock = asyncio.get_running_loop().time
        self._began = self._clock()

    async def ask(self) -> ModelResult:
        try:
            async with asyncio.timeout(self._provider.total_seconds):
                return await self._answer()
        except TimeoutError:
            self._count_as_lost()
            text = f"{self._provider.name}: no whole reply within {self._provider.total_seconds:g} s"
            return ModelFailure("timeout", told(text), True, self._attempts, lost=self._lost)

    async def _answer(self) -> ModelResult:
        while True:
            self._attempts += 1
            try:
                return replace(await self._attempt(), lost=self._lost)
            except FAULTS as error:
                failure = failure_of(error, self._provider.name, self._attempts)
            self._count_as_lost()
            wait = self._wait(failure)
            if wait is None:
                return replace(failure, lost=self._lost)
            await asyncio.sleep(wait)

    def _count_as_lost(self) -> None:
        """Keep what the provider has counted for the attempt in hand, once."""
        lost = self._collector.lost(self._request)
        self._collector = Collector(self._provider.max_reply_bytes)
        self._lost = self._lost if lost is None else (*self._lost, lost)

    def _wait(self, failure: ModelFailure) -> float | None:
        """Say for how long to wait before the next attempt; None if there is to be none."""
        if not failure.retryable or self._attempts > self._provider.retries:
            return None
        wait = failure.retry_after_seconds
        if wait is None:
            longest = self._provider.longest_backoff_seconds
            doubled = min(longest, self._provider.backoff_seconds * 2 ** (self._attempts - 1))
            wait = doubled * (1 - _JITTER * _CHANCE.random())
        left = self._began + self._provider.total_seconds - self._clock()
        return wait if wait < left else None

    async def _attempt(self) -> ModelReply:
        """Ask once; raises what is in FAULTS."""
        began = self._clock()
        collector = self._collector
        first_token = 0.0
        if self._provider.streaming:
            async with await self._create(stream=True, stream_options={"include_usage": True}) as chunks:
                async for chunk in chunks:
                    collector.take_chunk(chunk)
                    if not first_token and collector.has_content:
                        first_token = self._clock() - began
        else:
            collector.take_completion(await self._create(stream=False))
        collector.check_whole()
        now = self._clock()
        return collector.reply(
            self._request,
            seconds=now - self._began,
            first_token_seconds=first_token or now - began,
            attempts=self._attempts,
        )

    async def _create(self, **streaming: Any) -> Any:
        """Send the request.

        Everything goes into the body as it is. As arguments, the client would look through each message for values to
        transform, which takes longer than all else for a long conversation, and it would know which options there are.
        """
        request = self._request
        body = {**request.options, "messages": request.messages}
        if request.tools:
            body["tools"] = request.tools
        if request.max_output_tokens is not None:
            body[self._provider.reply_limit_name] = request.max_output_tokens
        create: Any = self._client.chat.completions.create
        headers = headers_of(self._provider)
        return await create(model=request.model, messages=[], extra_body=body, extra_headers=headers, **streaming)
