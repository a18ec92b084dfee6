"""No-op steps through ivoryOS' own script runner; runs where ivoryOS is installed, and imports nothing of ours.

A request as JSON on standard input: ``steps`` and ``stations``. The answer is one line of JSON: when each step was
carried out, in seconds. The application is made as ivoryOS makes it, with its SQLite database and a record of every
step; its web server does not listen, for a run is handed to the runner directly and no browser is looking.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from importlib.metadata import version
from typing import Any

ANSWER = os.dup(1)
os.dup2(2, 1)  # what ivoryOS prints is not the answer

CALLS: list[float] = []


class Station:
    """A device of the deck."""

    def noop(self) -> None:
        """Note the time."""
        CALLS.append(time.perf_counter())


def main() -> None:
    """Run one script with a step at each station in turn, and answer."""
    request = json.load(sys.stdin)
    deck: Any = sys.modules[__name__]
    for number in range(request["stations"]):
        setattr(deck, f"s{number}", Station())

    from ivoryos.app import create_app
    from ivoryos.config import get_config
    from ivoryos.runtime.runner_runtime import global_state
    from ivoryos.runtime.script_runner import ScriptRunner
    from ivoryos.script import Script, ScriptEditor
    from ivoryos.socket_handlers import socketio

    app = create_app(get_config())
    app.config["LOGGERS"] = []
    global_state.deck = deck
    script = Script(name="noop", deck="deck", author="benchmark")
    editor = ScriptEditor(script)
    for number in range(request["steps"]):
        instrument = f"deck.s{number % request['stations']}"
        editor.add_action({"instrument": instrument, "action": "noop", "args": {}, "return": "", "arg_types": {}})
    thread = ScriptRunner().run_script(
        script,
        repeat_count=1,
        run_name="noop",
        logger=logging.getLogger("gui_logger"),
        socketio=socketio,
        output_path=os.getcwd(),
        current_app=app,
    )
    thread.join()
    if len(CALLS) != request["steps"]:
        raise RuntimeError(f"{len(CALLS)} of {request['steps']} steps were carried out")
    os.write(ANSWER, json.dumps({"version": version("ivoryos"), "chain_s": CALLS}).encode() + b"\n")


if __name__ == "__main__":
    main()
