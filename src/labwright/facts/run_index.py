"""Closed runs of a folder at a glance: of each only its first and last line are read, once."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any

from labwright.journal.runs import CLOSED, OPEN, decode

TAIL_BYTES = 4096
"""Of the end of a file, where its last line is looked for first."""

SETTLED_S = 2.0
"""Wall seconds after which a folder that looks unchanged is: some file systems count their times that coarsely."""

DAMAGED = "damaged"
"""How a run ended whose first or last line cannot be read."""


@dataclass(frozen=True, slots=True)
class RunSeen:
    """A closed run.

    Attributes:
        uid: of it.
        path: of its file.
        time_s: wall time of its beginning; 0 if its start cannot be read.
        number: its scan id.
        campaign: that it is of; empty if of none.
        label: of the experiment.
        experiment: its number; its label if it has none, empty if it is of none.
        step: name of the step.
        station: where it was.
        events: how many it has.
        ended: ``success``, ``fail``, ``abort``, or `DAMAGED`.
    """

    uid: str
    path: Path
    time_s: float
    number: int
    campaign: str
    label: str
    experiment: int | str
    step: str
    station: str
    events: int
    ended: str


class RunIndex:
    """Remembers the runs of a folder: a closed run does not change.

    Args:
        folder: of the runs.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._by_uid: dict[str, RunSeen] = {}
        self._runs: tuple[RunSeen, ...] = ()
        self._looked: tuple[int, float] = (-1, 0.0)

    def runs(self) -> tuple[RunSeen, ...]:
        """All closed runs, the oldest first, by the time and the scan id in their start documents."""
        with self._lock:
            self._look()
            return self._runs

    def get(self, uid: str) -> RunSeen | None:
        """A run by its whole uid; None if there is none."""
        with self._lock:
            self._look()
            return self._by_uid.get(uid)

    def _look(self) -> None:
        try:
            changed = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            changed = 0
        before, looked_s = self._looked
        if changed == before and looked_s - changed / 1e9 > SETTLED_S:
            return
        self._looked = changed, time.time()
        there = self._there()
        new = [_seen(uid, self._folder / f"{uid}{CLOSED}") for uid in there - self._by_uid.keys()]
        gone = self._by_uid.keys() - there
        if not new and not gone:
            return
        for uid in gone:
            del self._by_uid[uid]
        self._by_uid |= {one.uid: one for one in new}
        kept = self._runs if not gone else tuple(one for one in self._runs if one.uid not in gone)
        new.sort(key=_order)
        if kept and new and _order(new[0]) < _order(kept[-1]):  # one was put there later, or closed later
            self._runs = tuple(sorted((*kept, *new), key=_order))
        else:
            self._runs = (*kept, *new)

    def _there(self) -> set[str]:
        """Uids of the closed runs; no more than their names is looked at."""
        try:
            names = os.listdir(self._folder)
        except FileNotFoundError:
            return set()
        return {name.removesuffix(CLOSED) for name in names if name.endswith(CLOSED) and not name.endswith(OPEN)}


def _order(run: RunSeen) -> tuple[float, int, str]:
    return run.time_s, run.number, run.uid


def _seen(uid: str, path: Path) -> RunSeen:
    try:
        with path.open("rb") as file:
            _, start = decode(file.readline())
            _, stop = decode(_last_line(file))
        own = start.get("labwright", {})
        campaign, label, step, station = (str(own.get(name, "")) for name in ("campaign", "label", "step", "station"))
        events = sum(stop.get("num_events", {}).values())
        time_s, number = float(start["time"]), int(start.get("scan_id", 0))
        ended = str(stop.get("exit_status", ""))
        experiment = own.get("experiment", "")
        return RunSeen(uid, path, time_s, number, campaign, label, experiment, step, station, events, ended)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return RunSeen(uid, path, 0.0, 0, "", "", "", "", "", 0, DAMAGED)


def _last_line(file: BufferedReader) -> bytes:
    size = file.seek(0, 2)
    tail = TAIL_BYTES
    while True:
        file.seek(max(0, size - tail))
        lines: list[Any] = file.read().splitlines(keepends=True)
        if len(lines) > 1 or tail >= size:
            return bytes(lines[-1])
        tail *= 4
