"""`python -m scripted_model --script FILE`: serve a script until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from pathlib import Path

from scripted_model.script import ScriptUnusable, load_script
from scripted_model.server import ScriptedModel


def main() -> int:
    """Serve; the first line of standard output is the base URL."""
    options = _options()
    try:
        script = load_script(options.script)
    except ScriptUnusable as error:
        print(f"scripted_model: {error}", file=sys.stderr)
        return 2
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    key = os.environ.get(options.key_variable) if options.key_variable else None
    with ScriptedModel(script, port=options.port, key=key) as model:
        if options.port_file is not None:
            options.port_file.write_text(f"{model.port}\n")
        print(model.base_url, flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
        print(f"scripted_model: {model.count} requests", file=sys.stderr)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripted_model", description="A model server that says what a script says.")
    parser.add_argument("--script", type=Path, required=True, help="the conversations, as TOML")
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0 lets the kernel choose")
    parser.add_argument("--port-file", type=Path, help="where the port is written once the server listens")
    parser.add_argument("--key-variable", default="", help="environment variable with the key that clients must have")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
