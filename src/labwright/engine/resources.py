"""What a step needs for itself alone: its station, the positions of its sample, and what is left of the stocks.

All of it is taken together or none; a sample's position stays taken until the sample has left it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from labwright.engine.experiment import Experiment, StepRun
from labwright.engine.tables import Touched
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
        lots_ml: what is left of each stock, without what is promised to experiments under way.
        touched: told what has changed.
        reserved: by ``station:name`` or ``position:name``.
        promised_ml: by stock.
    """

    places: list[str] = field(default_factory=list)
    lots_ml: dict[str, float] = field(default_factory=dict)
    touched: Touched = field(default_factory=Touched)
    reserved: dict[str, Reservation] = field(default_factory=dict)
    promised_ml: dict[str, float] = field(default_factory=dict)

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
        """An experiment is over: what it kept is free, but for the place where its container still stands."""
        for resource, holder in list(self.reserved.items()):
            if holder.label != one.label:
                continue
            if resource == f"position:{one.stands_at}" and one.given_up:
                continue  # nobody knows that it is empty
            self._release(resource)
        for stock, volume_ml in one.uses_ml.items():
            self.promised_ml[stock] -= volume_ml
            self.lots_ml[stock] -= volume_ml
            self.touched.lots.add(stock)
            self.touched.spent.append((stock, campaign, one.label, -volume_ml))

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
            if stock in self.lots_ml:
                free_ml = self.lots_ml[stock] - self.promised_ml.get(stock, 0.0)
                if volume_ml > free_ml + 1e-9:
                    return f"stock {stock} is used up: {volume_ml:.2f} ml are needed, {free_ml:.2f} ml are left"
        return ""

    def reserve_lots(self, uses_ml: dict[str, float]) -> None:
        """Promise stocks to an experiment."""
        for stock, volume_ml in uses_ml.items():
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
