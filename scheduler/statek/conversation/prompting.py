"""What a model is asked, put together from the ledger: the conversation as it stood when the turn was asked for.

How much of what was read is sent, and what is left out of it, is decided in `agents.prompts`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from typing import Any, Final

from statek.agents import workspaces
from statek.agents.class_docs import document_classes
from statek.agents.prompts import Budget, compose
from statek.agents.requests import ModelRequest
from statek.agents.transcript import Instructions
from statek.agents.workspaces import Documented, Workspace
from statek.calls.admission import is_application_class
from statek.calls.offered import Offered
from statek.calls.offers import Offer
from statek.conversation.recollecting import Memory
from statek.core.agents import AgentDefinition
from statek.core.jobs import Job
from statek.store import given
from statek.store.history import History
from statek_policies import Policy

REACH: Final = 2
"""How many times the context is read at most: older exchanges are shortened before they are left out."""
REPLY_TOKENS: Final = 4_096
WORKSPACES_KEPT: Final = 256


class Prompting:
    """Puts requests together; keeps what the jobs of an agent have in common."""

    def __init__(self, ledger: History, offer: Callable[[], Offer], offered: Callable[[], Offered], model: str) -> None:
        """`offer` and `offered` say what the application offers now; `model` is asked where an agent names none."""
        self._ledger = ledger
        self._memory = Memory(ledger)
        self._offer = offer
        self._offered = offered
        self._model = model
        self._outline = lru_cache(maxsize=WORKSPACES_KEPT)(self._read_outline)
        self._documented: dict[str, Workspace] = {}
        """What an application has for the jobs of a version of an agent, by the version's digest."""
        self._documents: Offer | None = None
        """The offer that this is from; another one is made when dbzero is opened anew."""

    def request(self, job: Job, definition: AgentDefinition) -> ModelRequest:
        """Put together what the model is to be asked for the turn that was requested last.

        Raises `PromptTooLarge`, `RequestRefused`, and KeyError for a blob that is not there.
        """
        options = dict(_map(definition.options))
        most = options.pop("max_output_tokens", None)
        most = most if type(most) is int else None
        reply = most or min(REPLY_TOKENS, definition.context_tokens // 4)
        budget = Budget(definition.context_tokens, reply)
        asks = definition.plain_reply == "asks"
        known = self._memory.recall(job.job, REACH * budget.prompt_tokens, asks=asks)
        entries = (Instructions(definition.instructions), *known.entries)
        preamble = workspaces.preamble(self._workspace(job, definition, known.given), definition.style)
        prompt = compose(entries, style=definition.style, preamble=preamble, budget=budget)
        return ModelRequest(definition.model or self._model, prompt.messages, prompt.tools, most, options)

    def _workspace(self, job: Job, definition: AgentDefinition, given_blob: str) -> Workspace:
        """Describe what the job's code has: what all jobs of that version have, and what this one was given."""
        offer = self._offer()
        if offer is not self._documents:
            self._documented.clear()
            self._documents = offer
        shared = self._documented.get(job.definition)
        if shared is None:
            if len(self._documented) >= WORKSPACES_KEPT:
                self._documented.pop(next(iter(self._documented)))
            shared = self._documented[job.definition] = self._document(definition, offer)
        own = self._outline(given_blob) if given_blob else ()
        return replace(shared, variables=(*shared.variables, *own))

    def _read_outline(self, blob: str) -> tuple[Documented, ...]:
        outline = given.outline(self._ledger.blob(blob))
        return tuple(Documented(name, f"{name}: {kind}") for name, kind in outline.items())

    def _document(self, definition: AgentDefinition, offer: Offer) -> Workspace:
        tools = [(name, offer.tool_for(definition.name, name)) for name in definition.tools]
        functions = [(name, tool.function) for name, tool in tools if tool is not None]
        names = self._offered().to(definition).exports
        policy = Policy.from_record(definition.policy)
        return Workspace(
            tuple(workspaces.document_tool(name, function) for name, function in functions),
            tuple(workspaces.document_variable(name, offer.variables[name]) for name in names),
            document_classes(
                _objects(offer, names),
                [function for _, function in functions],
                is_object=lambda cls: cls in offer.classes or is_application_class(cls),
                offers=policy.offers_member,
            ),
            tuple(sorted(policy.modules())),
        )


def _objects(offer: Offer, names: Collection[str]) -> Iterator[object]:
    """Yield the objects in these variables, those inside containers too."""
    return (value for place, value in offer.objects.items() if place.partition(".")[0] in names)


def _map(options: object) -> Mapping[str, Any]:
    return options if isinstance(options, dict) else {}
