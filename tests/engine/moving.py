"""A lab with positions and transports whose steps only take time, for tests of the dispatcher."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from labwright.engine import LabCore, validate_state
from labwright.engine.events import ENGINE, Event, Instruction, RunStep, Started, Stocked, Suggested
from labwright.engine.layout import Bench, Carrier, Layout, Site
from labwright.engine.rules import FIRST, Rule
from labwright.model.campaign import Objective, PlannerSpec, Suggestion
from labwright.model.protocol import NumberResult, ProtocolSpec, StepOrder, StepSpec
from labwright.model.space import Real, Space
from labwright.model.spec import CampaignSpec
from tests.engine.test_lab_machine import PARAMETERS, ended, optional, reading

VIAL = frozenset({"vial"})
RACKS = tuple(f"rack_{number}" for number in range(1, 9))


def layout(*benches: tuple[str, int, str], arms: int = 1, move_s: float = 10.0, racks: Sequence[str] = RACKS) -> Layout:
    """Stations in a row, each with positions of its own, and arms that reach everything.

    Args:
        benches: name, positions and ``own``, ``one`` (recipe) or ``batch`` of each; ``name:kind`` where several are of
            one kind.
        arms: how many.
        move_s: what a move takes.
        racks: positions of no station.
    """
    sites = {name: Site(name, "", VIAL) for name in racks}
    sites["waste"] = Site("waste", "", VIAL, leaves=True)
    known = {}
    for named, number, how in benches:
        name, _, kind = named.partition(":")
        known[name] = Bench(name, kind or name, number, one_recipe=how != "own", together=how == "batch")
        for place in range(1, number + 1):
            site = f"{name}_{place}" if number > 1 else f"{name}_here"
            sites[site] = Site(site, name, VIAL)
    carriers = {
        f"arm_{number}": Carrier(f"arm_{number}", f"arm_{number}", VIAL, move_s, frozenset(sites))
        for number in range(1, arms + 1)
    }
    return Layout(sites, known, carriers)


def step(name: str, station: str = "", takes_s: float = 60.0, **more: Any) -> StepSpec:
    return StepSpec(name=name, station=station or name, expected_s=takes_s, **more)


def way(*steps: StepSpec, **more: Any) -> ProtocolSpec:
    """A protocol of these steps, one after the other, whose samples are brought to them."""
    chained = [steps[0]]
    for before, after in itertools.pairwise(steps):
        chained.append(after if after.needs else after.model_copy(update={"needs": (before.name,)}))
    results = (NumberResult(name="y", unit="1"),)
    parts = {"name": "p", "version": "1", "title": "P", "parameters": PARAMETERS, "results": results}
    return ProtocolSpec(**{**parts, "labware": "vial", "steps": tuple(chained), **more})


def started(
    campaign: str,
    protocol: ProtocolSpec,
    shared: Mapping[str, tuple[str, ...]] | None = None,
    preparing: ProtocolSpec | None = None,
    **changes: Any,
) -> Started:
    spec = CampaignSpec(
        name=campaign,
        title=campaign,
        protocol="p",
        space=Space(parameters=(Real(name="x", unit="1", low=0, high=1),)),
        objective=Objective(name="y", goal="max", unit="1"),
        planner=PlannerSpec(name="random"),
        prepare=() if preparing is None else (preparing.name,),
        **{"budget": 3, "parallel": 3, **changes},
    )
    return Started(
        campaign=campaign,
        spec=spec,
        protocols=(protocol,) if preparing is None else (protocol, preparing),
        shared=dict(shared or {}),
        container=protocol.labware or "vial",
        optional={one.name: optional(one) for one in (protocol, preparing) if one is not None},
        reads={protocol.name: reading(protocol)},
        naming=2,
        engine=ENGINE,
    )


class Deck:
    """The core of a lab on a clock that jumps; planners answer at once.

    Attributes:
        told: what was said of each step and move that began, with the lab time: ``10 c/0001/mix at mixer``.
    """

    def __init__(self, plan: Layout, *first: Started, rule: Rule = FIRST, xs: Sequence[float] = (0.5,)) -> None:
        self.lab = LabCore(plan)
        self.lab.dispatcher.rule = rule
        self.now_s = 0.0
        self.told: list[str] = []
        self.running: dict[str, StepOrder] = {}
        self.log: list[tuple[str, Event, float]] = []
        self.takes_s: Callable[[StepOrder], float] = lambda order: order.expected_s
        self.on_end: Callable[[str], None] = lambda step_id: None
        self._xs = itertools.cycle(xs)
        self._ends: list[tuple[float, int, str]] = []
        self._numbers = itertools.count()
        self._began_s: dict[str, float] = {}
        racks = {name: "vial" for name in plan.sites if name.startswith("rack")}
        self.take({"": Stocked(containers=racks)})
        for event in first:
            self.take({event.campaign: event})

    def take(self, events: dict[str, Event]) -> None:
        instructions: list[Instruction] = []
        for campaign, event in events.items():
            instructions += self.lab.handle(campaign, event, self.now_s)
            self.log.append((campaign, event, self.now_s))
        self._granted(instructions)

    def _granted(self, instructions: list[Instruction]) -> None:
        for grant in self.lab.grant(self.now_s):
            self.log.append((grant.campaign, grant.event, self.now_s))
            instructions += grant.instructions
        for one in instructions:
            if isinstance(one, RunStep):
                self.running[one.order.step_id] = one.order
                self._began_s[one.order.step_id] = self.now_s
                takes_s = self.takes_s(one.order)
                heapq.heappush(self._ends, (self.now_s + takes_s, next(self._numbers), one.order.step_id))
                slot = f" ({one.order.slot})" if one.order.slot else ""
                self.told.append(f"{self.now_s:g} {one.order.step_id} at {one.station}{slot}")
        validate_state(self.lab)
        for core in list(self.lab.campaigns.values()):
            if core.asking:
                suggestion = Suggestion(params={"x": next(self._xs)}, rationale="r")
                self.take({core.campaign: Suggested(suggestion=suggestion)})

    def next(self) -> bool:
        """What happens next, happens; whether anything does."""
        wake_s = self.lab.dispatcher.wake_s
        if wake_s is not None and (not self._ends or wake_s < self._ends[0][0]):
            self.now_s = wake_s
            self._granted([])
            return True
        if not self._ends:
            return False
        self.now_s, _, step_id = heapq.heappop(self._ends)
        if step_id in self.running:
            self.end(step_id)
        return True

    def end(self, step_id: str, state: str = "done", fault: str = "equipment") -> None:
        order = self.running.pop(step_id)
        self.on_end(step_id)
        outcome = ended(order, state, fault=fault).outcome.model_copy(
            update={"started_s": self._began_s[step_id], "ended_s": self.now_s}
        )
        self.take({order.campaign: ended(order).model_copy(update={"outcome": outcome})})

    def run(self) -> float:
        """Until nothing happens any more; lab seconds."""
        while self.next():
            pass
        return self.now_s

    def phases(self) -> list[str]:
        return [core.phase for core in self.lab.campaigns.values()]

    def waits(self, campaign: str = "c") -> list[str]:
        return [str(one) for one in self.lab.dispatcher.waits(campaign)]
