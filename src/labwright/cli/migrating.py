"""What an earlier Labwright has left: a journal gets the tables of this one, a lab's files their form."""

from __future__ import annotations

from pathlib import Path

from labwright.cli.output import console, emit
from labwright.cli.sites import Place, on_folder
from labwright.journal import Journal
from labwright.journal.schema import HEAD
from labwright.lab.migration import migrate


def migrate_journal(place: Place, *, json: bool) -> None:
    """Bring a journal up to date, which every controller does too when it opens one.

    Raises:
        RefusedError: a controller runs on it.
        JournalError: it cannot be opened, or a newer Labwright has written it.
    """
    with Journal(on_folder(place, "bringing a journal up to date (journal migrate)")) as journal:
        name, count = journal.name, len(journal.campaigns())
    if json:
        emit({"journal": name, "revision": HEAD, "campaigns": count})
        return
    console.print(f"{name} has the revision {HEAD} now, with all its {count} campaigns", style="bold", markup=False)


def migrate_lab(root: Path, *, json: bool) -> None:
    """Rewrite a lab folder of an earlier version.

    Raises:
        ConfigError: it cannot be rewritten; nothing was written.
    """
    done = migrate(root)
    if json:
        emit({"lab": str(root), "files": [str(path) for path in done.files], "to_do": list(done.notes)})
        return
    if not done.files:
        console.print(f"{root} has the form of this version already; nothing was written", style="bold", markup=False)
        return
    written = ", ".join(map(str, done.files))
    console.print(f"Rewritten in {root}: {written}", style="bold", markup=False)
    console.print("A campaign that was under way in it can be resumed. Now:", markup=False)
    for note in done.notes:
        console.print(f"- {note}", markup=False)
    console.print("- look at the changes, and then: labwright check", markup=False)
