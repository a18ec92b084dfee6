"""A lab as a whole, as JSON."""

from __future__ import annotations

import dataclasses
from typing import Any

from labwright.journal import Journal
from labwright.journal.status import LabStatus, lab_status
from labwright.model.instruments import HERE
from labwright.model.lab import LabModel
from labwright.model.stations import named


def lab_now(journal: Journal) -> LabStatus:
    """The status, with questions about decks too, where the tables hint at one.

    Raises:
        JournalError: the journal cannot be read.
    """
    status = lab_status(journal)
    running = status.controller.campaigns if status.controller else []
    if all(one.campaign in running or one.instruments == HERE for one in status.taken):
        return status
    from labwright.engine.deck import deck_questions  # takes a second to import, and most decks are in no doubt

    decks = [{**one.row(), "choices": one.choices} for one in deck_questions(journal, running=running)]
    return dataclasses.replace(status, questions=[*status.questions, *decks])


def station_rows(model: LabModel) -> list[dict[str, Any]]:
    """Stations, the devices of each, and where those are; a station of people has the role ``people`` and no device."""
    return [
        {
            "station": name,
            "title": station.title,
            "role": role,
            "device": device,
            "driver": model.devices[device].driver if device else "",
            "address": str(model.ports[model.devices[device].port]) if device else "",
        }
        for name, station in model.stations.items()
        for role, device in [
            *((role, one) for role, of_role in station.devices.items() for one in named(of_role)),
            *((f"source {source}", one.device) for source, one in model.sources_at(name).items()),
            *(("monitor", one) for one in station.monitors),
            *([("people", "")] if station.people else []),
        ]
    ]
