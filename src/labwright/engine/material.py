"""What the lab has: empty containers for samples, and what is left of its stocks, promised and taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from labwright.engine.dirty import DirtyRows, Spent
from labwright.engine.experiment import Experiment, StepRun
from labwright.model.figures import figure
from labwright.model.material import NL_PER_ML, Used, nanolitres


@dataclass
class Material:
    """Containers and stocks.

    Attributes:
        dirty: collects what has changed.
        places: positions with an empty container, in the order of their use.
        lots_ml: what can be used of each stock: at the start for those that are counted, now for the others.
        counted: stocks whose use is counted by confirmed operations.
        promised_ml: by stock that is not counted.
        promised_nl: by stock that is counted: nanolitres that experiments under way may still take.
        used: by stock that is counted: what was taken since the start.
        entries: in the ledger so far.
    """

    dirty: DirtyRows
    places: list[str] = field(default_factory=list)
    lots_ml: dict[str, float] = field(default_factory=dict)
    counted: frozenset[str] = frozenset()
    promised_ml: dict[str, float] = field(default_factory=dict)
    promised_nl: dict[str, int] = field(default_factory=dict)
    used: dict[str, Used] = field(default_factory=dict)
    entries: int = 0

    def close(self, experiment: Experiment) -> None:
        """An experiment is over: what it was promised and has not taken is free again."""
        for stock, volume_ml in experiment.uses_ml.items():
            if stock in self.counted:
                self._promise(stock, -_still_promised(experiment, stock))
                continue
            self.promised_ml[stock] -= volume_ml
            self.lots_ml[stock] -= volume_ml
            self.dirty.lots.add(stock)
            self._spend(stock, experiment, "", Used(nl=nanolitres(volume_ml)), volume_ml)
        experiment.uses_ml = {}

    def release(self, experiment: Experiment) -> None:
        """Nothing is promised to an experiment any more; what it has taken stays taken."""
        for stock, volume_ml in experiment.uses_ml.items():
            if stock in self.counted:
                self._promise(stock, -_still_promised(experiment, stock))
            else:
                self.promised_ml[stock] -= volume_ml

    def use(self, experiment: Experiment, run: StepRun, used: Mapping[str, Used]) -> None:
        """Count what a step has taken so far of the stocks: confirmed, and perhaps.

        Args:
            experiment: the step's.
            run: the step.
            used: by stock, all of this step's attempts.
        """
        for stock, now in used.items():
            more = now - run.used.get(stock, Used())
            if stock not in self.counted or not more:
                continue
            promised_nl = _still_promised(experiment, stock)
            run.used[stock] = now
            experiment.used[stock] = experiment.used.get(stock, Used()) + more
            self.used[stock] = self.used.get(stock, Used()) + more
            self._promise(stock, _still_promised(experiment, stock) - promised_nl)
            self._spend(stock, experiment, run.step_id, more, more.nl / NL_PER_ML)

    def left_ml(self, stock: str) -> float:
        """What is left of a stock, without what is promised or may be gone."""
        if stock not in self.counted:
            return self.lots_ml.get(stock, 0.0)
        return (nanolitres(self.lots_ml[stock]) - self.used.get(stock, Used()).nl) / NL_PER_ML

    def reserved_ml(self, stock: str) -> float:
        """What is promised of a stock to experiments under way, and not taken yet."""
        return self.promised_nl[stock] / NL_PER_ML if stock in self.promised_nl else self.promised_ml.get(stock, 0.0)

    def _spend(self, stock: str, experiment: Experiment, step_id: str, used: Used, used_ml: float) -> None:
        self.entries += 1
        self.dirty.spent.append(
            Spent(
                self.entries, stock, experiment.owner, experiment.label, step_id,
                -used.nl, used.unknown_nl, -used_ml, experiment.preparation,
            )
        )  # fmt: skip

    def _promise(self, stock: str, nl: int) -> None:
        self.promised_nl[stock] = self.promised_nl.get(stock, 0) + nl
        self.dirty.lots.add(stock)

    def next_place(self) -> str:
        """The next position with an empty container; empty where the lab handles none."""
        return self.places[0] if self.places else ""

    def take_place(self, place: str) -> None:
        """A container is taken from its position."""
        if place in self.places:
            self.places.remove(place)
        if place:
            self.dirty.positions[place] = ""

    def lacking(self, uses_ml: dict[str, float]) -> str:
        """Which stock does not last for one more experiment, in words; empty if all do."""
        for stock, volume_ml in uses_ml.items():
            if stock in self.counted:
                free_nl = self._free_nl(stock)
                if nanolitres(volume_ml) > free_nl:
                    return self._lacks(stock, volume_ml, free_nl)
            elif stock in self.lots_ml:
                free_ml = self.lots_ml[stock] - self.promised_ml.get(stock, 0.0)
                if volume_ml > free_ml + 1e-9:
                    return f"stock {stock} is used up: {figure(volume_ml)} ml are needed, {figure(free_ml)} ml are left"
        for stock in self.used:  # also of what no protocol has promised to take
            if (free_nl := self._free_nl(stock)) < 0:
                return self._lacks(stock, uses_ml.get(stock, 0.0), free_nl)
        return ""

    def _free_nl(self, stock: str) -> int:
        gone_nl = self.used.get(stock, Used()).most_nl + self.promised_nl.get(stock, 0)
        return nanolitres(self.lots_ml.get(stock, 0.0)) - gone_nl

    def _lacks(self, stock: str, needed_ml: float, free_nl: int) -> str:
        used = self.used.get(stock, Used())
        words = [f"{figure(used.nl / NL_PER_ML)} ml were pumped"]
        words += [f"{figure(used.unknown_nl / NL_PER_ML)} ml may have been"] if used.unknown_nl else []
        if promised_nl := self.promised_nl.get(stock, 0):
            words.append(f"{figure(promised_nl / NL_PER_ML)} ml are reserved for samples under way")
        return (
            f"stock {stock} is used up: {figure(needed_ml)} ml are needed, {figure(free_nl / NL_PER_ML)} ml are left "
            f"({', '.join(words)})"
        )

    def promise(self, uses_ml: dict[str, float]) -> None:
        """Promise stocks to an experiment."""
        for stock, volume_ml in uses_ml.items():
            if stock in self.counted:
                self._promise(stock, nanolitres(volume_ml))
                continue
            self.lots_ml.setdefault(stock, 0.0)
            self.promised_ml[stock] = self.promised_ml.get(stock, 0.0) + volume_ml
            self.dirty.lots.add(stock)


def _still_promised(experiment: Experiment, stock: str) -> int:
    """Nanolitres of a stock that an experiment may still take of what it was promised."""
    return max(0, nanolitres(experiment.uses_ml.get(stock, 0.0)) - experiment.used.get(stock, Used()).most_nl)
