"""How is what is told over HTTP written?"""

from __future__ import annotations

import json
from typing import Any

from starlette.responses import JSONResponse


class Answer(JSONResponse):
    """JSON in ASCII: whatever a text holds, it can be sent, and no proxy, log or terminal takes it for something."""

    def render(self, content: Any) -> bytes:
        return as_json(content).encode()


def as_json(content: Any) -> str:
    """Write something on one line."""
    return json.dumps(content, allow_nan=False, separators=(",", ":"))
