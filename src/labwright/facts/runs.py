"""Runs in the run journal of a data folder, as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import orjson

from labwright.facts.run_index import RunSeen

Documents = list[tuple[str, dict[str, Any]]]


def run_row(run: RunSeen) -> dict[str, Any]:
    """A closed run, by its first and last line.

    Args:
        run: as the index has it.
    """
    return {
        "run": run.uid[:8],
        "began (UTC)": datetime.fromtimestamp(run.time_s, UTC).strftime("%Y-%m-%d %H:%M:%S") if run.time_s else "",
        "campaign": run.campaign,
        "experiment": run.experiment,
        "step": run.step,
        "events": run.events,
        "ended": run.ended,
    }


def campaign_of(documents: Documents) -> str:
    """The campaign that a run is of; empty if of none."""
    return str(documents[0][1].get("labwright", {}).get("campaign", ""))


def document_lines(documents: Documents) -> Iterator[bytes]:
    """Documents as lines of JSON, each ``[name, document]``."""
    return (orjson.dumps(one) + b"\n" for one in documents)
