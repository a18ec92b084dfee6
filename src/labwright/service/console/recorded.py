"""Closed runs as pages look at them: which there are, and which of them one may see."""

from __future__ import annotations

from collections.abc import Callable

from labwright.facts.run_index import RunSeen
from labwright.facts.runs import Documents
from labwright.journal import Journal
from labwright.journal.runs import read_run
from labwright.service.gate import Asker
from labwright.service.problems import Problem
from labwright.service.rights import Resource, can
from labwright.service.run_index import index_of
from labwright.service.state import Service


def sight(service: Service, asker: Asker, journal: Journal) -> Callable[[RunSeen], bool]:
    """Tells of each run whether it may be seen.

    Args:
        service: of the lab.
        asker: who looks.
        journal: of the lab.
    """
    known = service.owned.known()
    may: dict[str, bool] = {}

    def sees(run: RunSeen) -> bool:
        if run.campaign not in may:
            what = service.owned.campaign(journal, run.campaign, "data", known=known)
            may[run.campaign] = bool(can(asker.who, "data.read", what))
        return may[run.campaign]

    return sees


def recorded(service: Service, asker: Asker, uid: str) -> tuple[RunSeen, Documents]:
    """A run that one may see, with its documents.

    Args:
        service: of the lab.
        asker: who looks.
        uid: of the run.

    Raises:
        Problem: there is none, or it may not be seen: which of both is not said.
        JournalError: its file is damaged.
    """
    run = index_of(service).get(uid)
    if run is None:
        service.gate.need(asker, "data.read", Resource("data", uid))  # who may not see all learns no more
        raise Problem("not_found", f"there is no closed run {uid[:40]!r}")
    with service.records.reading() as journal:
        service.gate.need(asker, "data.read", service.owned.campaign(journal, run.campaign, "data", uid))
    return run, read_run(run.path)
