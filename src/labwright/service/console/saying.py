"""Notes and deviations on pages: those about one thing, and what its reader may say about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from labwright.facts.remarks import deviation_list, note_list
from labwright.journal import Journal
from labwright.model.remarks import CATEGORIES, SEVERITIES, USES, About, Category, Severity, Use
from labwright.service.gate import Asker
from labwright.service.remarks import may_say, visible
from labwright.service.state import Service

NOTES_MOST = 100
"""On a page, the newest."""


@dataclass(frozen=True)
class Said:
    """What people have said about something.

    Attributes:
        about: names it, as forms send it.
        notes: the newest first.
        deviations: those that are open first.
        may_note: whether the reader may write notes.
        may_deviate: whether the reader may open and close deviations.
        uses: of results, that may be chosen.
        categories: of deviations.
        severities: of deviations.
        most: so many notes are shown.
    """

    about: Mapping[str, str]
    notes: list[dict[str, Any]]
    deviations: list[dict[str, Any]]
    may_note: bool
    may_deviate: bool
    uses: tuple[Use, ...] = USES
    categories: tuple[Category, ...] = CATEGORIES
    severities: tuple[Severity, ...] = SEVERITIES
    most: int = NOTES_MOST


def said_about(service: Service, asker: Asker, journal: Journal, about: About) -> Said:
    """What was said about something that the reader may see.

    Args:
        service: of the lab.
        asker: who looks.
        journal: of the lab.
        about: what.
    """
    notes = list(visible(service, asker, journal, note_list(journal, about, most=NOTES_MOST)))
    deviations = [] if about.kind == "stock" else list(visible(service, asker, journal, deviation_list(journal, about)))
    deviations.sort(key=lambda one: (one["state"] != "open", -one["n"]))
    return Said(
        about=_fields(about),
        notes=notes[::-1],
        deviations=deviations,
        may_note=may_say(service, asker, journal, "note.write", about),
        may_deviate=may_say(service, asker, journal, "deviation.write", about),
    )


def said_of_stocks(service: Service, asker: Asker, journal: Journal) -> Said:
    """Notes on stocks that the reader may see.

    Args:
        service: of the lab.
        asker: who looks.
        journal: of the lab.
    """
    notes = list(visible(service, asker, journal, note_list(journal, kind="stock", most=NOTES_MOST)))
    may = may_say(service, asker, journal, "note.write", About(kind="stock", name="any"))
    return Said(about={}, notes=notes[::-1], deviations=[], may_note=may, may_deviate=False)


def _fields(about: About) -> dict[str, str]:
    """What names it in a form."""
    if about.kind == "sample":
        return {"sample": f"{about.campaign}/{about.label}"}
    if about.kind == "experiment":
        return {"campaign": about.campaign, "experiment": about.label}
    return {about.kind: about.campaign or about.name}
