"""What is an entry of a job's `chat_log`, as a dbzero object? In the order of the ledger, each with its instant.

The rules of `store.objects` hold here too. Importing this imports dbzero, which is slow.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import dbzero as db0

from statek.store.texts import Text, to_text

PREFIX: Final = "statek"
"""As in `store.objects`, which imports this."""


@db0.memo(id="statek/JobError", prefix=PREFIX)
class JobError:
    """What ended a batch, a call or a job: the guest's own exception, or our side's trouble."""

    type = Text("type_utf8")
    message = Text("message_utf8")

    def __init__(self, type_utf8: bytes, message_utf8: bytes, line: int | None) -> None:
        self.type_utf8 = type_utf8
        self.message_utf8 = message_utf8
        self.line = line


@db0.memo(id="statek/ReachedLimit", prefix=PREFIX)
class ReachedLimit:
    """The limit that ended a batch or a job, in the unit that its name carries, and what had been done by then."""

    name = Text("name_utf8")

    def __init__(self, name_utf8: bytes, allowed: float, used: float) -> None:
        self.name_utf8 = name_utf8
        self.allowed = allowed
        self.used = used
        self.printed_bytes = 0
        self.printed_lines = 0
        self.calls = 0
        """Calls made, those included that were refused."""
        self.calls_by_name: dict[bytes, int] = {}
        """The tools that were called most, by their names in UTF-8, and how often."""
        self.instruction = 0
        """The first instruction that the last checkpoint has not behind it."""


@db0.memo(id="statek/UserLogItem", prefix=PREFIX)
class UserLogItem:
    """A message that was pushed to the job: its number, from 1, what it says, and who said it."""

    text = Text("text_utf8")
    source = Text("source_utf8")

    def __init__(self, number: int, text_utf8: bytes, source_utf8: bytes, at_us: int) -> None:
        self.number = number
        self.text_utf8 = text_utf8
        self.source_utf8 = source_utf8
        self.at_us = at_us


@db0.memo(id="statek/BatchLogItem", prefix=PREFIX)
class BatchLogItem:
    """An instruction batch, the digest of its source in the ledger, and how it ended: what the model observes."""

    name = Text("name_utf8")

    def __init__(self, batch: int, name_utf8: bytes, role: str, source: str, at_us: int) -> None:
        self.batch = batch
        self.name_utf8 = name_utf8
        self.role = role
        """Whose it is: "code" of a client, "warmup" or "hidden" of a warm-up, "reply" of the model."""
        self.source = source
        self.at_us = at_us
        """When it was submitted."""
        self.attempts = 0
        self.outcome: str | None = None
        """An `Outcome`, or "skipped"; None while the batch waits or runs."""
        self.error: JobError | None = None
        self.limit: ReachedLimit | None = None
        self.ended_us: int | None = None


@db0.memo(id="statek/WarmupLogItem", prefix=PREFIX)
class WarmupLogItem(BatchLogItem):
    """A block of the agent's warm-up."""

    @property
    def hidden(self) -> bool:
        """Tell whether the model is not shown it."""
        return bool(self.role == "hidden")


@db0.memo(id="statek/LLM_LogItem", prefix=PREFIX)
class LLM_LogItem:
    """A turn of the model: what it was asked for, what it replied, and what that used."""

    model = Text("model_utf8")
    provider = Text("provider_utf8")
    text = Text("text_utf8")
    remark = Text("remark_utf8")

    def __init__(self, turn: int, model_utf8: bytes, provider_utf8: bytes, at_us: int) -> None:
        self.turn = turn
        self.model_utf8 = model_utf8
        self.provider_utf8 = provider_utf8
        self.at_us = at_us
        """When it was asked for."""
        self.attempts = 1
        self.outcome: str | None = None
        """None while it is awaited; "code", "plain", "malformed", "refusal"; "failed", "cancelled" without a reply."""
        self.text_utf8 = b""
        self.calls_utf8: list[bytes] = []
        self.remark_utf8 = b""
        """What is wrong with a reply that could not be used."""
        self.reply = ""
        """The digest of the whole reply in the ledger."""
        self.input_tokens = 0
        self.cached_tokens = 0
        self.output_tokens = 0
        self.cost_micros: int | None = None
        """Millionths of the price table's currency; None without a price."""
        self.estimated = False
        """The provider gave no count of tokens."""
        self.seconds = 0.0
        self.error: JobError | None = None
        """Why there is no reply."""
        self.answered_us: int | None = None

    @property
    def calls(self) -> list[str]:
        """Return the arguments of the reply's tool calls, as the model wrote them."""
        return [to_text(arguments) for arguments in self.calls_utf8]


@db0.memo(id="statek/SubTaskLogItem", prefix=PREFIX)
class SubTaskLogItem:
    """Another job that works for this one; its end resolves a future of this one."""

    job = Text("job_utf8")

    def __init__(self, job_utf8: bytes, future: int, at_us: int) -> None:
        self.job_utf8 = job_utf8
        self.future = future
        self.at_us = at_us
        self.outcome: str | None = None
        """None while it is under way, then "ok" or "error"."""
        self.error: JobError | None = None
        self.ended_us: int | None = None


@db0.memo(id="statek/SteeringLogItem", prefix=PREFIX)
class SteeringLogItem:
    """Something that was decided about the job from outside of its code."""

    text = Text("text_utf8")

    def __init__(self, act: str, text_utf8: bytes, at_us: int) -> None:
        self.act = act
        """"cancelled", "revived", or "harness" where a bound of the agent's harness ended it."""
        self.text_utf8 = text_utf8
        """The reason; of a harness the bound, what it allows and what was used."""
        self.at_us = at_us


ChatItem: TypeAlias = UserLogItem | BatchLogItem | LLM_LogItem | SubTaskLogItem | SteeringLogItem
