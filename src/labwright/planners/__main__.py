"""The process a planner thinks in; `PlannerWorker` starts it, asks on its stdin and reads its stdout."""

from __future__ import annotations

import os
import signal
import sys
import threading
from queue import SimpleQueue

from labwright.model.campaign import CampaignState, Trial
from labwright.model.errors import ConfigError, PlannerError
from labwright.planners._wire import Ask, Reply, write_line
from labwright.planners.registry import load_planner


def main() -> None:
    """Answer asks until stdin closes: then the engine is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the engine, which closes stdin
    # A library that prints must not garble the replies; a bare descriptor stays open until the process is really gone.
    replies = os.dup(sys.stdout.fileno())
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    lines: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_read, args=(lines,), daemon=True).start()
    kept = _Kept()
    while True:
        write_line(replies, kept.answer(Ask.model_validate_json(lines.get())))


class _Kept:
    """The campaign as far as it was sent."""

    def __init__(self) -> None:
        self._campaign: CampaignState | None = None
        self._trials: list[Trial] = []

    def answer(self, ask: Ask) -> Reply:
        if ask.campaign is not None:
            self._campaign, self._trials = ask.campaign, []
        assert self._campaign is not None  # noqa: S101 - the first ask sends everything
        for place, trial in ask.news.items():
            self._trials[place : place + 1] = [trial]  # the place after the last appends
        # A copy is not validated: every trial was, when it came and when the asking side made its state.
        state = self._campaign.model_copy(update={"trials": tuple(self._trials)})
        try:
            planner = load_planner(ask.planner)
            suggestions = tuple(planner.ask(state, ask.n))
            return Reply(suggestions=suggestions, advice=planner.advise_stop(state) if ask.advise else None)
        except (PlannerError, ConfigError) as error:
            return Reply(refused=str(error))


def _read(lines: SimpleQueue[bytes]) -> None:
    # In a thread of its own, so that the end is noticed while the planner computes. Not by sys.stdin: when a crash ends
    # the planner's thread while another waits there, Python aborts and its traceback drowns.
    with open(sys.stdin.fileno(), "rb", closefd=False) as asks:
        for line in asks:
            lines.put(line)
    os._exit(0)


if __name__ == "__main__":
    main()
