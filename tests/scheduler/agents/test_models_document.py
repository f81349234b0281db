"""docs/models.md: what it shows is what is there."""

from __future__ import annotations

import re
from pathlib import Path

from scripted_model import load_script

from statek.agents.observations import describe, observe
from statek.agents.pricing import load_prices
from statek.agents.prompts import BYTES_PER_TOKEN, Budget
from statek.agents.trimming import STEP
from statek.agents.workspaces import CLASSES_BYTES
from statek.core.events import BatchEnded, ConsolePrinted
from statek_protocol.messages.interpreter import GuestError

TEXT = (Path(__file__).parents[3] / "docs" / "models.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def test_its_price_table_and_its_script_can_be_loaded(tmp_path: Path) -> None:
    prices, script = blocks("toml")
    (tmp_path / "prices.toml").write_text(prices)
    (tmp_path / "script.toml").write_text(script)
    assert load_prices(tmp_path / "prices.toml").cost_micros("my-model-2", 4, 0, 1) == 3
    assert len(load_script(tmp_path / "script.toml").conversations[0].replies) == 2


def test_its_observation_is_what_a_model_gets() -> None:
    source = "rows = 3\nprint(rows, 'rows')\nshare = done / len(rows)\n"
    error = GuestError("ZeroDivisionError", "division by zero", 3)
    observed = observe([ConsolePrinted(1, "output", b"3 rows\n"), BatchEnded(1, "error", error, None)], 1, source)
    assert blocks("text") == [describe(observed) + "\n"]


def test_its_numbers_are_those_of_the_code() -> None:
    assert (BYTES_PER_TOKEN, STEP, Budget(0).kept, CLASSES_BYTES) == (3, 8, 6, 8 * 1024)
    for words in ("three bytes to a token", "eight exchanges at once", "the last six exchanges", "8 KiB"):
        assert words in TEXT
