"""`python -m statek` is the statek command."""

from __future__ import annotations

from statek.cli.main import main

if __name__ == "__main__":
    main()
