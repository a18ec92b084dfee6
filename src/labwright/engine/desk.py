"""The planner desk: a worker for each campaign, and no more of them thinking at once than the machine bears."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

from labwright.model.campaign import CampaignState
from labwright.planners import Answer, Worker

AT_ONCE = 2
"""Planners that think at the same time; each uses a core, and the engine needs one too."""

AWAKE = 8
"""Workers that are kept ready, each a process of 100 MB; of more campaigns the one that thought longest ago rests."""


class PlannerDesk:
    """Hands the asks of campaigns to their workers, in the order in which they came."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._workers: dict[str, Worker] = {}
        self._thinking: set[str] = set()
        self._awake: dict[str, None] = {}
        """Campaigns whose worker is ready, in the order in which they were asked last."""
        self._waiting: deque[tuple[str, CampaignState, Callable[[Answer], None]]] = deque()

    def open(self, campaign: str, worker: Worker) -> None:
        """A campaign's planner is at the desk from now on."""
        with self._lock:
            self._workers[campaign] = worker

    def ask(self, campaign: str, state: CampaignState, answered: Callable[[Answer], None]) -> None:
        """Ask a campaign's planner for one suggestion; `answered` is called once, from another thread."""
        with self._lock:
            self._waiting.append((campaign, state, answered))
        self._next()

    def close(self, campaign: str) -> None:
        """A campaign has ended, and its worker with it; an ask of it is answered with an error."""
        with self._lock:
            worker = self._workers.pop(campaign, None)
            self._awake.pop(campaign, None)
            dropped = [ask for ask in self._waiting if ask[0] == campaign]
            self._waiting = deque(ask for ask in self._waiting if ask[0] != campaign)
        for _, _, answered in dropped:
            answered(Answer((), "its campaign ended before its planner was asked"))
        if worker is not None:
            worker.close()
        self._next()

    def close_all(self) -> None:
        """End all workers."""
        for campaign in list(self._workers):
            self.close(campaign)

    def _next(self) -> None:
        while True:
            with self._lock:
                ready = next((ask for ask in self._waiting if self._may_think(ask[0])), None)
                if ready is None:
                    return
                self._waiting.remove(ready)
                campaign, state, answered = ready
                self._thinking.add(campaign)
                worker = self._workers[campaign]
                self._awake.pop(campaign, None)
                self._awake[campaign] = None
                idle = [one for one in self._awake if one not in self._thinking][: max(0, len(self._awake) - AWAKE)]
                resting = [self._workers[one] for one in idle]
                for one in idle:
                    del self._awake[one]
            for sleeper in resting:
                sleeper.rest()
            worker.ask(state, 1, self._then(campaign, answered))

    def _may_think(self, campaign: str) -> bool:
        return campaign in self._workers and campaign not in self._thinking and len(self._thinking) < AT_ONCE

    def _then(self, campaign: str, answered: Callable[[Answer], None]) -> Callable[[Answer], None]:
        def then(answer: Answer) -> None:
            with self._lock:
                self._thinking.discard(campaign)
            answered(answer)
            self._next()

        return then
