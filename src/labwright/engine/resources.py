"""What a step needs for itself alone: its station, the positions of its sample, and what is left of the stocks.

All of it is taken together or none; a sample's position stays taken until the sample has left it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.tables import Spent, Touched
from labwright.model.figures import figure
from labwright.model.material import NL_PER_ML, Used, nanolitres
from labwright.model.protocol import StepSpec
from labwright.model.states import check_transition


@dataclass
class Reservation:
    """Who has a resource: a step has a station, a sample has a position."""

    label: str
    step_id: str
    state: str = "requested"

    def become(self, resource: str, state: str) -> None:
        """Change the state.

        Raises:
            IllegalTransitionError: there is no such way.
        """
        check_transition("reservation", resource, self.state, state)
        self.state = state


@dataclass
class Resources:
    """Stations, positions, stocks.

    Attributes:
        places: positions with an empty container, in the order of their use.
        lots_ml: what can be used of each stock: at the start for those that are counted, now for the others.
        touched: collects what has changed.
        counted: stocks whose use is counted by confirmed operations.
        reserved: by ``station:name`` or ``position:name``.
        promised_ml: by stock that is not counted.
        promised_nl: by stock that is counted: nanolitres that experiments under way may still take.
        used: by stock that is counted: what was taken since the start.
        entries: in the ledger so far.
    """

    places: list[str] = field(default_factory=list)
    lots_ml: dict[str, float] = field(default_factory=dict)
    touched: Touched = field(default_factory=Touched)
    counted: frozenset[str] = frozenset()
    reserved: dict[str, Reservation] = field(default_factory=dict)
    promised_ml: dict[str, float] = field(default_factory=dict)
    promised_nl: dict[str, int] = field(default_factory=dict)
    used: dict[str, Used] = field(default_factory=dict)
    entries: int = 0

    def taken(self, one: Experiment, spec: StepSpec) -> str:
        """Why the step cannot start: a resource another has; empty if it can."""
        for resource in self._needed(spec):
            holder = self.reserved.get(resource)
            if holder is not None and (holder.label != one.label or resource.startswith("station:")):
                return f"{resource.replace(':', ' ')}, which {holder.step_id or holder.label} has"
        return ""

    def take(self, one: Experiment, run: StepRun) -> bool:
        """Reserve all that a step needs, or nothing; whether it has it now."""
        if self.taken(one, run.spec):
            return False
        wanted = self._needed(run.spec)
        if one.stands_at:
            wanted.append(f"position:{one.stands_at}")
        for resource in wanted:
            here = self.reserved.get(resource)
            if here is None:
                here = self.reserved[resource] = Reservation(one.label, "")
                here.become(resource, "held")
            if here.state == "held":
                here.become(resource, "active")
            if resource.startswith("station:"):
                here.step_id = run.step_id
            self._touch(resource)
        return True

    def done(self, one: Experiment, run: StepRun) -> None:
        """A step is done: its station is free, and so is the position its sample has left."""
        self.release_station(run)
        if (run.spec.moves_to or run.spec.leaves) and one.stands_at and one.stands_at != run.spec.moves_to:
            self._release(f"position:{one.stands_at}")

    def release_station(self, run: StepRun) -> None:
        """The station is free."""
        self._release(f"station:{run.spec.station}")

    def leave(self, one: Experiment, campaign: str) -> None:
        """An experiment is over: all it had is free, except the position where its container still stands."""
        for resource, holder in list(self.reserved.items()):
            if holder.label != one.label:
                continue
            if resource == f"position:{one.stands_at}" and one.given_up:
                continue  # no person has confirmed that it is empty
            self._release(resource)
        for stock, volume_ml in one.uses_ml.items():
            if stock in self.counted:
                self._promise(stock, -self._still_promised(one, stock))
                continue
            self.promised_ml[stock] -= volume_ml
            self.lots_ml[stock] -= volume_ml
            self.touched.lots.add(stock)
            self._spend(stock, campaign, one, "", Used(nl=nanolitres(volume_ml)), volume_ml)
        one.uses_ml = {}

    def use(self, one: Experiment, run: StepRun, campaign: str, used: Mapping[str, Used]) -> None:
        """Count what a step has taken so far of the stocks: confirmed, and perhaps.

        Args:
            one: the experiment.
            run: its step.
            campaign: its id.
            used: by stock, all of this step's attempts.
        """
        for stock, now in used.items():
            more = now - run.used.get(stock, Used())
            if stock not in self.counted or not more:
                continue
            promised_nl = self._still_promised(one, stock)
            run.used[stock] = now
            one.used[stock] = one.used.get(stock, Used()) + more
            self.used[stock] = self.used.get(stock, Used()) + more
            self._promise(stock, self._still_promised(one, stock) - promised_nl)
            self._spend(stock, campaign, one, run.step_id, more, more.nl / NL_PER_ML)

    def left_ml(self, stock: str) -> float:
        """What is left of a stock, without what is promised or may be gone."""
        if stock not in self.counted:
            return self.lots_ml.get(stock, 0.0)
        return (nanolitres(self.lots_ml[stock]) - self.used.get(stock, Used()).nl) / NL_PER_ML

    def reserved_ml(self, stock: str) -> float:
        """What is promised of a stock to experiments under way, and not taken yet."""
        return self.promised_nl[stock] / NL_PER_ML if stock in self.promised_nl else self.promised_ml.get(stock, 0.0)

    def _still_promised(self, one: Experiment, stock: str) -> int:
        """Nanolitres of a stock that an experiment may still take of what it was promised."""
        return max(0, nanolitres(one.uses_ml.get(stock, 0.0)) - one.used.get(stock, Used()).most_nl)

    def _spend(self, stock: str, campaign: str, one: Experiment, step_id: str, used: Used, used_ml: float) -> None:
        self.entries += 1
        self.touched.spent.append(
            Spent(self.entries, stock, campaign, one.label, step_id, -used.nl, used.unknown_nl, -used_ml)
        )

    def _promise(self, stock: str, nl: int) -> None:
        self.promised_nl[stock] = self.promised_nl.get(stock, 0) + nl
        self.touched.lots.add(stock)

    def next_place(self) -> str:
        """The next position with an empty container; empty where the lab handles none."""
        if not self.places:
            return ""
        place = self.places.pop(0)
        self.touched.positions[place] = ""
        return place

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

    def reserve_lots(self, uses_ml: dict[str, float]) -> None:
        """Promise stocks to an experiment."""
        for stock, volume_ml in uses_ml.items():
            if stock in self.counted:
                self._promise(stock, nanolitres(volume_ml))
                continue
            self.lots_ml.setdefault(stock, 0.0)
            self.promised_ml[stock] = self.promised_ml.get(stock, 0.0) + volume_ml
            self.touched.lots.add(stock)

    @staticmethod
    def _needed(spec: StepSpec) -> list[str]:
        positions = dict.fromkeys([*([spec.moves_to] if spec.moves_to else []), *spec.keeps])
        return [f"station:{spec.station}", *(f"position:{name}" for name in positions)]

    def _release(self, resource: str) -> None:
        holder = self.reserved.pop(resource, None)
        if holder is not None:
            holder.become(resource, "released")
            self._touch(resource)

    def _touch(self, resource: str) -> None:
        self.touched.resources.add(resource)
