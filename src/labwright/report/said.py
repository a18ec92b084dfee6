"""What people have said about a campaign, as its report shows it."""

from __future__ import annotations

from typing import Any

import orjson

from labwright.model.remarks import about_words
from labwright.report.card import moment
from labwright.report.record import CampaignRecord


def notes_of(record: CampaignRecord) -> list[dict[str, Any]]:
    """Notes in their order, those that were replaced as well, each with its time and what it is about in words."""
    return [{**one, "at": moment(one["said_s"]), "on": about_words(one)} for one in record.notes.values()]


def deviations_of(record: CampaignRecord) -> list[dict[str, Any]]:
    """Deviations in their order, in the same way; each with the experiments that it concerns, in words."""
    return [
        {
            **one,
            "at": moment(one["said_s"]),
            "closed_at": "" if one["closed_s"] is None else moment(one["closed_s"]),
            "on": about_words(one),
            "concerns": ", ".join(orjson.loads(one["experiments"])),
        }
        for one in record.deviations.values()
    ]
