"""What does the HTTP face take and answer? Written into openapi.json from the routes, for programs that read that.

`scripts/openapi` writes the document; with `--check` it only says whether it is current.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Final

from statek.api.http.app import describe

DOCUMENT: Final = Path(__file__).with_name("openapi.json")


def main(arguments: list[str]) -> int:
    """Write the document, or compare it; returns the exit status."""
    current = json.dumps(describe().openapi(), indent=2) + "\n"
    if "--check" in arguments:
        return int(not DOCUMENT.is_file() or current != DOCUMENT.read_text("utf-8"))
    DOCUMENT.write_text(current, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
