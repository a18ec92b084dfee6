"""The experiments of a campaign as a table: a row each, with units in the heads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from labwright.model.names import column, sem_of
from labwright.model.parameters import truth_of
from labwright.model.protocol import NumberResult, StepOutcome
from labwright.model.remarks import deviation_words, note_words
from labwright.report.record import CampaignRecord

STARTED, ENDED = "started (UTC)", "ended (UTC)"


def experiment_rows(record: CampaignRecord, *, traced: bool = False) -> list[dict[str, Any]]:
    """What was prepared, what was found, when, and how each experiment and proposal ended.

    Args:
        record: of the campaign.
        traced: whether there are ``runs`` (their uids with blanks between) and ``why`` it was tried, too.

    Returns:
        by head: ``experiment``, a parameter each (as measured where it is), an outcome each with its standard error,
        the protocol's other results (an array as nested lists, a file by its address), lab time of the first and last
        step (UTC), ``status``, whether its result may be used (``use``), ``deviations`` and ``notes`` in words;
        where there are any in the campaign, also ``edits`` (values that a person has changed) and ``left_out`` (steps
        that have failed and were left out). What there is not is None.
    """
    spec, found, times_s = record.core.spec, record.results(), _times_s(record.steps)
    runs = _runs(record.steps) if traced else {}
    known = {one.name: one for one in spec.space.parameters}
    changed = [name for name in ("edits", "left_out") if any(getattr(one, name) for one in record.core.trials)]
    rows = []
    for trial in record.core.trials:
        row: dict[str, Any] = {"experiment": trial.id}
        for name, value in trial.made.items():
            row[column(name, getattr(known[name], "unit", ""))] = truth_of(known[name], value)
        for name, unit in spec.outcomes.items():
            outcome = trial.outcomes.get(name)
            row[column(name, unit)] = outcome.mean if outcome else None
            row[column(sem_of(name), unit)] = outcome.sem if outcome else None
        row |= _further(record, found.get(trial.id, {}))
        moments = times_s.get(trial.id, (None, None))
        for head, moment in zip((STARTED, ENDED), moments, strict=True):
            row[head] = None if moment is None else datetime.fromtimestamp(moment, UTC)
        row["status"] = trial.status
        row["use"] = trial.use
        row["deviations"] = _joined(deviation_words(one) for one in record.deviations_of(trial.id))
        row["notes"] = _joined(note_words(one) for one in record.notes_of(trial.id))
        row |= {name: _joined(map(str, getattr(trial, name))) for name in changed}
        rows.append({**row, "runs": runs.get(trial.id), "why": trial.rationale or None} if traced else row)
    return rows


def _joined(words: Iterable[str]) -> str | None:
    return " | ".join(words) or None


def _further(record: CampaignRecord, found: Mapping[str, Any]) -> dict[str, Any]:
    """Cells of the results that are no outcomes."""
    row: dict[str, Any] = {}
    for result in record.protocol.results:
        if result.name in record.core.spec.outcomes:
            continue
        unit, value = getattr(result, "unit", ""), found.get(result.name)
        row[column(result.name, unit)] = value["uri"] if isinstance(value, dict) else value
        if isinstance(result, NumberResult) and result.uncertainty:
            row[column(sem_of(result.name), unit)] = found.get(result.uncertainty)
    return row


def _runs(steps: Mapping[tuple[str, str], StepOutcome]) -> dict[str, str]:
    """Uids of the runs of all steps, by experiment."""
    uids: dict[str, list[str]] = {}
    for (label, _), outcome in steps.items():
        uids.setdefault(label, []).extend(outcome.run_uids)
    return {label: " ".join(some) for label, some in uids.items() if some}


def _times_s(steps: Mapping[tuple[str, str], StepOutcome]) -> dict[str, tuple[float, float]]:
    """Lab time of the first step's start and the last one's end, by experiment."""
    times_s: dict[str, tuple[float, float]] = {}
    for (label, _), outcome in steps.items():
        began_s, ended_s = times_s.get(label, (outcome.started_s, outcome.ended_s))
        times_s[label] = (min(began_s, outcome.started_s), max(ended_s, outcome.ended_s))
    return times_s
