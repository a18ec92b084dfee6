"""Runs in the run journal of a data folder, as JSON."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson

from labwright.journal.runs import closed_runs, read_run

Documents = list[tuple[str, dict[str, Any]]]


def run_rows(data: Path, after: int = 0) -> Iterator[dict[str, Any]]:
    """Closed runs, oldest first.

    Args:
        data: folder of the runs.
        after: so many are left out, and not read.

    Raises:
        JournalError: one is damaged.
    """
    for path in closed_runs(data / "runs")[after:]:
        documents = read_run(path)
        start, stop = documents[0][1], documents[-1][1]
        own = start.get("labwright", {})
        yield {
            "run": start["uid"][:8],
            "began (UTC)": datetime.fromtimestamp(start["time"], UTC).strftime("%Y-%m-%d %H:%M:%S"),
            "campaign": own.get("campaign", ""),
            "experiment": own.get("experiment", ""),
            "step": own.get("step", ""),
            "events": sum(stop.get("num_events", {}).values()),
            "ended": stop.get("exit_status", ""),
        }


def campaign_of(documents: Documents) -> str:
    """The campaign that a run is of; empty if of none."""
    return str(documents[0][1].get("labwright", {}).get("campaign", ""))


def document_lines(documents: Documents) -> Iterator[bytes]:
    """Documents as lines of JSON, each ``[name, document]``."""
    return (orjson.dumps(one) + b"\n" for one in documents)
