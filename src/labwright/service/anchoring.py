"""The head of the audit trail, written beside it again and again, so that an end that was removed is seen."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from labwright.model.errors import JournalError
from labwright.service.audit import anchor_file, head_of, write_anchor
from labwright.service.database import Door

log = logging.getLogger(__name__)

EVERY_S = 30.0
"""Wall seconds between two looks; what was added since the last can be removed without being seen."""


class Anchoring:
    """Writes the head where it has changed.

    Args:
        door: the service's database.
        data: folder of journal, runs and reports.
    """

    def __init__(self, door: Door, data: Path) -> None:
        self._door = door
        self._path = anchor_file(data)
        self._last = 0
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._run, name="audit heads", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Write the last one."""
        self._closing.set()
        self._thread.join(EVERY_S)

    def _run(self) -> None:
        ends = False
        while not ends:
            ends = self._closing.wait(EVERY_S)
            try:
                head = head_of(self._door)
                if head.seq != self._last:
                    write_anchor(self._path, head)
                    self._last = head.seq
            except (JournalError, OSError) as error:
                log.warning("the head of the audit trail was not written to %s: %s", self._path, error)
