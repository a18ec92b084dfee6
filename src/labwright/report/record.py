"""Everything a report wants to know of a campaign, rebuilt from the journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson

from labwright.engine import CampaignCore, replayed
from labwright.engine.events import DeckChecked, Extended, Foreseen, Remark, Resumed, RunStep, Signed, StepEnded
from labwright.engine.proposals import is_label
from labwright.engine.remark_rows import remark_rows
from labwright.journal import Journal, journal_file, schema
from labwright.model.campaign import Trial
from labwright.model.errors import ConfigError, unknown
from labwright.model.judging import counts
from labwright.model.protocol import ProtocolSpec, StepOutcome

BLANK: dict[str, dict[str, Any]] = {
    "note": {"label": "", "replaced_by": ""},
    "deviation": {"label": "", "closed_by": "", "closed_s": None, "conclusion": ""},
}
"""Of what people have said, what is not said yet."""


@dataclass
class CampaignRecord:
    """A campaign as it went.

    Attributes:
        campaign: its id.
        core: the engine's core after the last event.
        steps: outcomes of all steps and moves, by experiment label and step name.
        stations: that have carried them out, by the same.
        started_s: lab time of the first event.
        ended_s: lab time of the last.
        wall_started_s: time of day of the first event, seconds since the epoch.
        over_s: lab time at which it ended; None if it has not.
        ends: newest order and outcome of each step and move, by its id.
        halts: from when to when in lab time it was paused, or no controller ran.
        notes: what people have written about it, its experiments and samples, by id, as rows of the journal's table.
        deviations: what was not as it should be, in the same way.
        foreseen: the first roll-out that foresaw its end, of those since it was extended last; None without one.
    """

    campaign: str
    core: CampaignCore
    steps: dict[tuple[str, str], StepOutcome] = field(default_factory=dict)
    stations: dict[tuple[str, str], str] = field(default_factory=dict)
    started_s: float = 0.0
    ended_s: float = 0.0
    wall_started_s: float = 0.0
    over_s: float | None = None
    ends: dict[str, tuple[RunStep, StepOutcome]] = field(default_factory=dict)
    halts: list[tuple[float, float]] = field(default_factory=list)
    foreseen: Foreseen | None = None
    notes: dict[str, dict[str, Any]] = field(default_factory=dict)
    deviations: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def done(self) -> list[Trial]:
        """Trials with an outcome, in their order."""
        return [trial for trial in self.core.trials if trial.status == "done"]

    def values(self, objective: str = "") -> list[float]:
        """An objective of each, in its unit; the first without a name."""
        name = objective or self.core.spec.objective.name
        return [trial.outcomes[name].mean for trial in self.done]

    def best_so_far(self) -> list[float | None]:
        """The best mean after each experiment, of those that count; None before the first of them."""
        spec, best = self.core.spec, None
        found: list[float | None] = []
        for trial, value in zip(self.done, self.values(), strict=True):
            if counts(trial, spec.outcome_limits, spec.fidelity) and (
                best is None or spec.objective.merit(value) > spec.objective.merit(best)
            ):
                best = value
            found.append(best)
        return found

    @property
    def protocol(self) -> ProtocolSpec:
        """That each experiment carries out."""
        started = self.core.started
        return next(one for one in started.protocols if one.name == started.spec.protocol)

    def take_remark(self, event: Remark) -> None:
        """Take account of what a person has said."""
        for (table, key), row in remark_rows(event).items():
            kept = self.notes if table == "note" else self.deviations
            kept[str(key)] = {**BLANK[str(table)], **kept.get(str(key), {}), **row}

    def notes_of(self, label: str) -> list[dict[str, Any]]:
        """Notes on an experiment or its sample that stand: those that were replaced are left out."""
        return [one for one in self.notes.values() if one["label"] == label and not one["replaced_by"]]

    def deviations_of(self, label: str) -> list[dict[str, Any]]:
        """Deviations that concern the results of an experiment."""
        return [one for one in self.deviations.values() if label in orjson.loads(one["experiments"])]

    def results(self) -> dict[str, dict[str, Any]]:
        """The declared results of each experiment as far as they were found, by its number."""
        found: dict[str, dict[str, Any]] = {}
        for (label, _), outcome in self.steps.items():
            if outcome.state == "done" and is_label(label):
                found.setdefault(label, {}).update(outcome.results)
        return {label: self.protocol.declared(one) for label, one in found.items()}

    def found_anywhere(self, result: str) -> list[dict[str, Any]]:
        """All that a step found which found `result`, one for each experiment that has such a step."""
        return [
            outcome.results
            for (label, _), outcome in self.steps.items()
            if is_label(label) and outcome.state == "done" and result in outcome.results
        ]


def read_record(journal: Journal, campaign: str) -> CampaignRecord:
    """Replay the events of a campaign.

    Raises:
        ConfigError: the journal has no such campaign.
        JournalError: an event cannot be understood.
    """
    record: CampaignRecord | None = None
    runs: dict[str, RunStep] = {}
    paused, seen_s, since = False, 0.0, 0
    for logged, event, instructions, core in replayed(journal, campaign):
        runs.update((one.order.step_id, one) for one in instructions if isinstance(one, RunStep))
        if record is None:
            record = CampaignRecord(campaign, core, started_s=logged.lab_time_s, wall_started_s=logged.wall_time_s)
            since = logged.id
        if isinstance(event, Extended):
            since = logged.id
        if (paused or isinstance(event, Resumed)) and not isinstance(event, Remark):
            record.halts.append((seen_s, logged.lab_time_s))
        if not isinstance(event, Remark):
            paused, seen_s = core.paused, logged.lab_time_s
        if not core.over:
            record.over_s = None
        elif record.over_s is None:
            record.over_s = logged.lab_time_s
        if isinstance(event, Remark):
            record.take_remark(event)
        elif not isinstance(event, DeckChecked):  # these may come after its end
            record.ended_s = logged.lab_time_s
        ended = [event.outcome] if isinstance(event, StepEnded) else []
        ended += [one.outcome for one in instructions if isinstance(one, Signed)]
        for outcome in ended:
            run = runs[outcome.step_id]
            record.steps[run.order.label, run.order.step] = outcome
            record.stations[run.order.label, run.order.step] = run.station
            record.ends[outcome.step_id] = run, outcome
    assert record is not None  # noqa: S101 - a campaign without events is refused before
    record.foreseen = _first_foreseen(journal, record, since)
    return record


def _first_foreseen(journal: Journal, record: CampaignRecord, since: int) -> Foreseen | None:
    """The first roll-out after the event `since` that foresaw when a campaign ends."""
    event = schema.event.c
    of_lab = (event.campaign == "", event.kind == "foreseen", event.instruments == record.core.started.deck)
    for row in journal.rows(schema.event, *of_lab, event.id > since, order=event.id):
        seen = Foreseen.model_validate_json(row["payload"])
        if record.campaign in seen.ends:
            return seen
    return None


def newest(place: str | Path, name: str) -> CampaignRecord:
    """The record of the newest run of the campaign `name` in a journal.

    Args:
        place: a data folder, or the URL of a journal.
        name: of the campaign, or the id of one run of it.

    Raises:
        ConfigError: it was not run there yet.
        JournalError: the journal cannot be read.
    """
    with open_journal(place) as journal:
        names = {str(row["id"]): str(row["name"]) for row in journal.rows(schema.campaign)}
        fitting = [one for one in journal.campaigns() if name in (one, names.get(one))]
        if not fitting:
            raise ConfigError(f"{journal.name}: {unknown('campaign', name, sorted(set(names.values())))}")
        return read_record(journal, fitting[-1])


def open_journal(place: str | Path) -> Journal:
    """The journal in a data folder or at a URL, to be read.

    Raises:
        ConfigError: no campaign was run there yet.
    """
    if isinstance(place, Path):
        if not journal_file(place).exists():
            raise ConfigError(f"{place} has no journal; run a campaign first (labwright campaign run)")
        return Journal.reading(journal_file(place))
    return Journal.reading(place)
