"""The lab's records as the service reads and writes them: a reader in each thread, and one place for commands."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import anyio.to_thread
import sqlalchemy as sa

from labwright.journal import Journal, journal_file, schema
from labwright.model.errors import JournalError

Found = TypeVar("Found")


class Records:
    """The journal, for a process with many threads.

    Args:
        place: of the journal: a file, or a URL.
    """

    def __init__(self, place: str) -> None:
        self._place: str | Path = place if "://" in place else Path(place)
        self._mine = threading.local()
        self._opening = threading.Lock()
        self._commands: Journal | None = None

    @contextlib.contextmanager
    def reading(self) -> Iterator[Journal]:
        """The journal, to be read in this thread.

        Raises:
            JournalError: it cannot be read.
        """
        journal: Journal | None = getattr(self._mine, "journal", None)
        if journal is None:
            journal = Journal.reading(self._place)
            if self.there:  # else it is one without rows, in memory, and there may be a real one the next time
                self._mine.journal = journal
        try:
            yield journal
        except JournalError:
            self.forget()  # a file may have been put in its place
            raise

    def forget(self) -> None:
        """Open the journal again in this thread, the next time."""
        journal: Journal | None = getattr(self._mine, "journal", None)
        if journal is not None:
            self._mine.journal = None
            journal.close()

    @property
    def there(self) -> bool:
        """Whether there is a journal yet."""
        return not isinstance(self._place, Path) or self._place.exists()

    def newest(self) -> int:
        """Id of the newest event; 0 before the first."""
        with self.reading() as journal:
            (row,) = journal.read(sa.select(sa.func.max(schema.event.c.id).label("id")))
        return int(row["id"] or 0)

    def command(
        self, campaign: str, kind: str, payload: Mapping[str, Any], *, by: str, because: str, key: str, trace: str
    ) -> int:
        """Ask the controller for something, as `Journal.command`.

        Raises:
            JournalError: the journal refuses.
        """
        return self._writing().command(campaign, kind, payload, by=by, because=because, key=key, trace=trace)

    def _writing(self) -> Journal:
        with self._opening:
            if self._commands is None:
                self._commands = Journal(self._place)
            return self._commands

    def withdraw(self, command: int, why: str) -> None:
        """Take back a command that no controller has taken; nothing happens to another.

        Raises:
            JournalError: the journal refuses.
        """
        self._writing().withdraw(command, why)

    async def in_thread(self, work: Callable[..., Found], *given: Any) -> Found:
        """Do something with the journal, beside the loop.

        Args:
            work: takes the journal, and what is given.
            given: to it.
        """

        def look() -> Found:
            with self.reading() as journal:
                return work(journal, *given)

        return await anyio.to_thread.run_sync(look)

    def wake(self) -> None:
        """Tell the controller once more that a command waits."""
        if self._commands is not None:
            self._commands.wake_controller()

    def close(self) -> None:
        """Let go of what this thread reads with, and of the place for commands."""
        self.forget()
        if self._commands is not None:
            self._commands.close()


def place_of(data: Path, journal: str) -> str:
    """The place of the journal of a data folder."""
    return journal or str(journal_file(data))
