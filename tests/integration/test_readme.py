"""The README's program with an agent runs as it is printed; what is read of its job is the same everywhere."""

from __future__ import annotations

import re
import signal
from pathlib import Path

from integration.services import Site, wait_for
from scripted_model import Answer, Conversation, Script, ScriptedModel

from statek import PushQueue
from statek.inspection.store_view import StoreView

README = Path(__file__).parents[2] / "README.md"
MESSAGE = "Please move planning to 11."
SCRIPT = Script(
    (
        Conversation(
            MESSAGE,
            (
                Answer(text="I look first.", code="planning = calendar.find_meeting('planning')\nprint(planning.hour)"),
                Answer(code="planning.move_to(11)\nprint(planning.hour)\nexit('moved planning to 11')"),
            ),
        ),
    )
)


def program(name: str) -> str:
    """The README's block of Python that begins with that file's name."""
    found = re.search(rf"```python\n(# {re.escape(name)}\n.*?)```", README.read_text("utf-8"), re.DOTALL)
    assert found is not None
    return found[1]


def test_the_agent_of_the_readme_does_what_it_is_asked_for(local: Site) -> None:
    with ScriptedModel(SCRIPT) as model:
        local.environment |= {
            "STATEK_STORE": str(local.store),
            "STATEK_MODEL": "small",
            "STATEK_MODEL_BASE_URL": model.base_url,
        }
        clerk = local.program(local.write(program("clerk.py"), "clerk.py"))
        view = StoreView(local.store)
        wait_for((local.store / "client.sock").exists, "a scheduler")
        PushQueue("main", store=local.store).push_to_agent_queue("clerk", {"message": MESSAGE})
        wait_for(lambda: view.find(agent="clerk", status="DONE").jobs, "the job's end")
        clerk.kill(signal.SIGTERM)
        assert clerk.wait() == 0, clerk.log.read_text()
    (job,) = view.find(agent="clerk").jobs
    assert (job.outcome, job.exit_status, job.num_turns) == ("ok", "moved planning to 11", 2)
    assert job.py_env.console == [f"message: {MESSAGE}", "9", "11"]
