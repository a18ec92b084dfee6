"""What a person sees of a campaign while it runs: one row an experiment, redrawn in a terminal, printed in a log."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from rich.table import Table

from labwright.cli.output import counted
from labwright.cli.words import note, question_words
from labwright.engine import Campaign, CampaignCore
from labwright.engine.events import Event, Suggested
from labwright.model.campaign import Outcome, Trial
from labwright.model.figures import DIGITS, figure, lasting, measured, resolving, spelled
from labwright.model.space import Real

SHOWN = 15
"""Rows of the live table; with the one under way they fit a terminal of 24 lines."""


class Progress:
    """Experiment, state, parameters, results, best measured mean, time left.

    Args:
        campaign: that runs.
        now: lab time.
        simulated: shown in every heading.
    """

    def __init__(self, campaign: Campaign, now: Callable[[], float], *, simulated: bool) -> None:
        spec = self._spec = campaign.spec
        self._now = now
        self._title = f"{'SIMULATED · ' if simulated else ''}{spec.title}"
        # Those that are not on the critical path overlap; for a first guess that is near enough.
        self._expected_s = sum(step.expected_s for step in campaign.protocols[spec.protocol].steps) / spec.parallel
        self._core: CampaignCore | None = None
        self._rows: list[tuple[str, ...]] = []
        self._done = 0
        self._known = 0
        self._under_way: dict[int, int] = {}
        self._began_s: float | None = None
        self._asked: set[str] = set()
        self._seen: dict[str, tuple[float, float]] = {}  # smallest and largest mean, by outcome
        units = [getattr(one, "unit", "1") for one in spec.space.parameters]
        self._digits = {
            one.name: resolving(one.low, one.high) for one in spec.space.parameters if isinstance(one, Real)
        }
        named = zip([*spec.space.names, *spec.outcomes], [*units, *spec.outcomes.values()], strict=True)
        headed = [name if unit in ("", "1") else f"{name} / {unit}" for name, unit in named]
        best = "best measured" if len(spec.objectives) == 1 else "Pareto front"
        self._columns = ("experiment", "state", *headed, best, "lab time left")

    def take(self, event: Event, core: CampaignCore) -> tuple[str, str]:
        """Take an event.

        Returns:
            the line of an experiment that has just ended, and a note on anything else that a person should know; each
            may be empty.
        """
        self._core = core
        if isinstance(event, Suggested) and self._began_s is None:
            self._began_s = self._now()
        notes = [one for one in (note(event.model_dump(mode="json")), *self._questions(core)) if one]
        return "\n".join(self._ended(core)), "\n".join(notes)

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
            for row in self._doing(self._core):
                shown.add_row(*row, style="bold")
        return shown

    def _ended(self, core: CampaignCore) -> list[str]:
        for one in core.live.values():  # an infeasible suggestion was never under way and has no row
            place = core.trial_of(one)
            if place is not None and one.number > self._known:
                self._under_way[place], self._known = one.number, one.number
        lines = []
        for index, number in list(self._under_way.items()):
            trial = core.trials[index]
            if not trial.pending:
                del self._under_way[index]
                self._done += 1
                self._rows.append(self._row(trial, number, trial.status, core))
                lines.append(self._line(self._rows[-1]))
        return lines

    def _questions(self, core: CampaignCore) -> list[str]:
        """Questions that are new, with the command that answers each."""
        words = []
        for one in core.asked:
            if one.id not in self._asked:
                self._asked.add(one.id)
                words.append(question_words(one.id, one.text, one.choices, one.readings))
        return words

    def _doing(self, core: CampaignCore) -> Iterator[tuple[str, ...]]:
        """What is under way: a row an experiment."""
        for one in core.live.values():
            running = [f"{run.station}: {run.spec.name}" for run in one.running if run.state == "running"]
            doing = ", ".join(sorted(running)) or ("waits for a person" if one.state == "held" else "waits")
            if core.paused:
                doing = f"paused ({doing})"
            trial = core.trial_of(one)
            if trial is None:
                blank = [""] * (len(self._columns) - 4)
                yield ("preparing", doing, *blank, self._best(core), self._left())
            else:
                yield self._row(core.trials[trial], one.number, doing, core)
        if not core.live:
            blank = [""] * (len(self._columns) - 4)
            number = f"{core.tried + 1}/{core.budget}"
            yield (number, "planning" if core.asking else core.status, *blank, self._best(core), self._left())

    def _row(self, trial: Trial, number: int, state: str, core: CampaignCore) -> tuple[str, ...]:
        made = (spelled(value, self._digits.get(name, DIGITS)) for name, value in trial.made.items())
        results = [self._result(name, trial.outcomes.get(name)) for name in self._spec.outcomes]
        return (f"{number}/{core.budget}", state, *made, *results, self._best(core), self._left())

    def _best(self, core: CampaignCore) -> str:
        """The best mean as it was measured; what the planner's model makes of it stands in the report."""
        if len(self._spec.objectives) > 1:
            return counted(len(core.stopping.front), "experiment") if core.stopping.front else ""
        name = self._spec.objective.name
        return "" if core.best is None else self._result(name, Outcome(mean=core.best))

    def _left(self) -> str:
        core = self._core
        left = self._spec.budget if core is None else core.budget - core.tried + len(self._under_way)
        if left <= 0:
            return ""
        spent_s = 0.0 if self._began_s is None else self._now() - self._began_s
        return lasting(left * (spent_s / self._done if self._done else self._expected_s))

    def _result(self, name: str, found: Outcome | None) -> str:
        """A mean: where no standard error says to which place, with the digits that tell it from those before it."""
        if found is None:
            return ""
        if found.sem:
            return measured(found.mean, found.sem)
        low, high = self._seen.get(name, (found.mean, found.mean))
        self._seen[name] = low, high = min(low, found.mean), max(high, found.mean)
        return figure(found.mean, max(DIGITS, resolving(low, high) - 1))

    def _line(self, cells: tuple[str, ...]) -> str:
        widths = [max(len(column), 10) for column in self._columns]
        return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()
