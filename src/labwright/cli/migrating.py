"""`labwright journal migrate`: an earlier Labwright's journal gets the tables of this one."""

from __future__ import annotations

from pathlib import Path

from labwright.cli.output import console, emit
from labwright.journal import Journal
from labwright.journal.schema import HEAD


def migrate_journal(place: str | Path, *, json: bool) -> None:
    """Bring a journal up to date, which every controller does too when it opens one.

    Raises:
        RefusedError: a controller runs on it.
        JournalError: it cannot be opened, or a newer Labwright has written it.
    """
    with Journal(place) as journal:
        name, count = journal.name, len(journal.campaigns())
    if json:
        emit({"journal": name, "revision": HEAD, "campaigns": count})
        return
    console.print(f"{name} has the revision {HEAD} now, with all its {count} campaigns", style="bold", markup=False)
