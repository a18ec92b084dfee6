"""Refusals in the audit trail: each by name, but not each of the thousand that a guesser makes in a minute.

The first of its kind is a row at once. Further ones within a minute are counted, and are one row with their count.
"""

from __future__ import annotations

import itertools
import threading
import time
from dataclasses import dataclass, replace

from labwright.service.audit import Entry, append
from labwright.service.database import Door

EVERY_S = 60.0
"""Wall seconds for which refusals of one kind are counted."""

KINDS_MOST = 10_000
"""Kinds that are counted at once; beyond, all are written."""


@dataclass
class _Counted:
    since_s: float
    last: Entry
    more: int = 0


class Refusals:
    """Writes what was refused to those who show nothing that is known.

    Args:
        door: the service's database.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._lock = threading.Lock()
        self._counted: dict[tuple[str, str], _Counted] = {}

    def note(self, entry: Entry, whence: str) -> None:
        """Write a refusal, or count it.

        Args:
            entry: of the audit trail.
            whence: address, or the person it was about.

        Raises:
            JournalError: the database refuses.
        """
        now_s = time.monotonic()
        due = self._due(now_s)
        kind = entry.action, whence
        with self._lock:
            known = self._counted.get(kind)
            if known is None:
                if len(self._counted) < KINDS_MOST:
                    self._counted[kind] = _Counted(now_s, entry)
                due.append(entry)
            else:
                known.last, known.more = entry, known.more + 1
        self._write(due)

    def close(self) -> None:
        """Write what was counted.

        Raises:
            JournalError: the database refuses.
        """
        self._write(self._due(float("inf")))

    def _due(self, now_s: float) -> list[Entry]:
        """What was counted for long enough."""
        with self._lock:
            in_order = self._counted.items()  # they were put in by their time
            over = [kind for kind, _ in itertools.takewhile(lambda one: one[1].since_s < now_s - EVERY_S, in_order)]
            ended = [self._counted.pop(kind) for kind in over]
        return [
            replace(one.last, because=f"{one.last.because}; {one.more} times more within {EVERY_S:g} s")
            for one in ended
            if one.more
        ]

    def _write(self, entries: list[Entry]) -> None:
        if entries:
            with self._door.writing() as connection:
                append(connection, entries)
