"""What a person sees of a campaign while it runs: one row an experiment, redrawn in a terminal, printed in a log."""

from __future__ import annotations

from collections.abc import Callable

from rich.table import Table

from labwright.engine import Campaign, CampaignCore
from labwright.engine.events import Event, Infeasible, NotSuggested, StepEnded, StopAsked, Suggested
from labwright.model.campaign import Trial

SHOWN = 15
"""Rows of the live table; with the one under way they fit a terminal of 24 lines."""


class Progress:
    """Experiment, station, parameters, result, best so far, time left.

    Args:
        campaign: that runs.
        now: lab time.
        simulated: said in every heading.
    """

    def __init__(self, campaign: Campaign, now: Callable[[], float], *, simulated: bool) -> None:
        spec = self._spec = campaign.spec
        self._now = now
        self._title = f"{'SIMULATED · ' if simulated else ''}{spec.title}"
        self._expected_s = sum(step.expected_s for step in campaign.protocols[spec.protocol].steps)
        self._core: CampaignCore | None = None
        self._rows: list[tuple[str, ...]] = []
        self._took_s: list[float] = []
        self._began_s = 0.0
        units = [getattr(one, "unit", "1") for one in spec.space.parameters]
        named = zip([*spec.space.names, spec.objective.name], [*units, spec.objective.unit], strict=True)
        *parameters, result = [name if unit in ("", "1") else f"{name} / {unit}" for name, unit in named]
        self._columns = ("experiment", "station", *parameters, result, "best so far", "lab time left")

    def take(self, event: Event, core: CampaignCore) -> tuple[str, str]:
        """Take an event.

        Returns:
            the line of an experiment that has just ended, and a note on something else a person should know; each may
            be empty.
        """
        self._core = core
        if isinstance(event, Suggested):
            self._began_s = self._now()
        return self._ended(core), _note(event)

    def heading(self) -> str:
        """What stands above the lines."""
        return f"{self._title}\n{self._line(self._columns)}"

    def table(self) -> Table:
        """The last experiments and the one under way."""
        shown = Table(title=self._title, title_justify="left", title_style="bold")
        for column in self._columns:
            shown.add_column(column)
        for row in self._rows[-SHOWN:]:
            shown.add_row(*row)
        if self._core is not None and not self._core.over:
            shown.add_row(*self._under_way(self._core), style="bold")
        return shown

    def _ended(self, core: CampaignCore) -> str:
        tried = [trial for trial in core.trials if not trial.pending and _counts(trial)]
        if len(tried) == len(self._rows):
            return ""
        self._took_s.append(self._now() - self._began_s)
        self._rows.append(self._row(tried[-1], len(tried), tried[-1].status, core))
        return self._line(self._rows[-1])

    def _under_way(self, core: CampaignCore) -> tuple[str, ...]:
        running = core.current.running if core.current is not None else {}
        doing = ", ".join(f"{station}: {step.name}" for station, step in sorted(running.items())) or "planning"
        if core.current is None or core.current.number <= 0:
            label = "preparing" if core.current is not None else f"{len(self._rows) + 1}/{self._spec.budget}"
            blank = [""] * (len(self._columns) - 4)
            return (label, doing, *blank, self._best(core), self._left())
        return self._row(core.trials[-1], core.current.number, doing, core)

    def _row(self, trial: Trial, number: int, station: str, core: CampaignCore) -> tuple[str, ...]:
        made = (f"{value:.3f}" if isinstance(value, float) else str(value) for value in trial.made.values())
        found = trial.outcomes.get(self._spec.objective.name)
        result = ""
        if found:
            result = f"{found.mean:.2f}" if found.sem is None else f"{found.mean:.2f} ± {found.sem:.2f}"
        return (f"{number}/{self._spec.budget}", station, *made, result, self._best(core), self._left())

    def _best(self, core: CampaignCore) -> str:
        name = self._spec.objective.name
        values = [trial.outcomes[name].mean for trial in core.trials if trial.status == "done"]
        if not values:
            return ""
        return f"{max(values) if self._spec.objective.goal == 'max' else min(values):.2f}"

    def _left(self) -> str:
        each_s = sum(self._took_s) / len(self._took_s) if self._took_s else self._expected_s
        minutes = (self._spec.budget - len(self._took_s)) * each_s / 60
        return f"{minutes / 60:.1f} h" if minutes >= 60 else f"{minutes:.0f} min"

    def _line(self, cells: tuple[str, ...]) -> str:
        widths = [max(len(column), 10) for column in self._columns]
        return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def _counts(trial: Trial) -> bool:
    """Whether it was carried out; what could not be made has no row."""
    return trial.fail_kind != "infeasible" or trial.measured_params is not None


def _note(event: Event) -> str:
    if isinstance(event, StepEnded) and event.outcome.state != "done":
        return f"{event.outcome.step_id} {event.outcome.state}: {event.outcome.error}"
    if isinstance(event, StopAsked):
        return f"stopping: {event.why}"
    if isinstance(event, Infeasible):
        return f"not tried: {event.reason}"
    if isinstance(event, NotSuggested):
        return f"no suggestion: {event.reason}"
    return ""
