"""Everything a report wants to know of a campaign, rebuilt from the journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from labwright.engine import CampaignCore
from labwright.engine.events import EVENTS, StepEnded
from labwright.journal import EventLog
from labwright.model.campaign import Trial
from labwright.model.errors import ConfigError, JournalError, unknown
from labwright.model.protocol import StepOutcome


@dataclass
class CampaignRecord:
    """A campaign as it went.

    Attributes:
        campaign: its id.
        core: the engine's core after the last event.
        steps: outcomes of all steps, by experiment label and step name.
        started_s: lab time of the first event.
        ended_s: lab time of the last.
        wall_started_s: time of day of the first event, seconds since the epoch.
    """

    campaign: str
    core: CampaignCore
    steps: dict[tuple[str, str], StepOutcome] = field(default_factory=dict)
    started_s: float = 0.0
    ended_s: float = 0.0
    wall_started_s: float = 0.0

    @property
    def done(self) -> list[Trial]:
        """Trials with an outcome, in their order."""
        return [trial for trial in self.core.trials if trial.status == "done"]

    def values(self) -> list[float]:
        """The objective of each, in its unit."""
        return [trial.outcomes[self.core.spec.objective.name].mean for trial in self.done]

    def best_so_far(self) -> list[float]:
        """The best mean after each experiment."""
        best = max if self.core.spec.objective.goal == "max" else min
        values = self.values()
        return [best(values[: index + 1]) for index in range(len(values))]

    def found_anywhere(self, result: str) -> list[dict[str, Any]]:
        """All that a step found which found `result`, one for each experiment that has such a step."""
        return [
            outcome.results
            for (label, _), outcome in self.steps.items()
            if label.isdigit() and outcome.state == "done" and result in outcome.results
        ]


def read_record(log: EventLog, name: str) -> CampaignRecord:
    """Replay the events of a campaign.

    Args:
        log: the journal.
        name: the campaign's id.

    Raises:
        ConfigError: the journal has no such campaign.
        JournalError: an event cannot be understood.
    """
    events = log.read(name)
    if not events:
        raise ConfigError(f"{log.path}: {unknown('campaign', name, log.campaigns())}")
    first, last = events[0], events[-1]
    record = CampaignRecord(
        name,
        CampaignCore(),
        started_s=first.lab_time_s,
        ended_s=last.lab_time_s,
        wall_started_s=first.wall_time_s,
    )
    for one in events:
        try:
            event = EVENTS.validate_python(one.payload)
        except ValidationError as error:
            raise JournalError(
                f"{log.path}: event {one.id} ({one.kind}) of {name} cannot be understood; was it written by another "
                f"version of Labwright? {error.errors()[0]['msg']}"
            ) from error
        if isinstance(event, StepEnded):
            _, label, step = event.outcome.step_id.rsplit("/", 2)
            record.steps[label, step] = event.outcome
        if not record.core.over and not (one.kind == "stop_asked" and record.core.phase == "draining"):
            record.core.handle(event)
    return record


def newest(data: Path, name: str) -> CampaignRecord:
    """The record of the newest run of the campaign `name` in a data folder.

    Raises:
        ConfigError: it was not run there yet.
        JournalError: the journal cannot be read.
    """
    path = data / "journal.sqlite"
    if not path.exists():
        raise ConfigError(f"{data} holds no journal; run a campaign first (labwright campaign run)")
    with EventLog(path) as log:
        ids = log.campaigns()
        fitting = [one for one in ids if one.rsplit("-", 3)[0] == name]
        if not fitting:
            raise ConfigError(f"{path}: {unknown('campaign', name, sorted({one.rsplit('-', 3)[0] for one in ids}))}")
        return read_record(log, fitting[-1])


def last_ended(data: Path) -> CampaignRecord | None:
    """The record of the last campaign in a data folder, whatever its name and end; None if there is none.

    Raises:
        JournalError: the journal cannot be read.
    """
    path = data / "journal.sqlite"
    if not path.exists():
        return None
    with EventLog(path) as log:
        ids = log.campaigns()
        return read_record(log, ids[-1]) if ids else None
