"""A lab of stations that only take time, on a stepped clock, with a planner that answers at once.

What is left is the engine, its journal included.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from labwright.clock import SteppedClock
from labwright.engine import Campaign, CampaignCore, Parts, load_campaign
from labwright.engine.controller import LabController
from labwright.engine.events import Event
from labwright.journal import Journal
from labwright.lab import Lab, LabFolder, read_lab
from labwright.model.campaign import CampaignState, Suggestion
from labwright.planners import Answer
from labwright.stations import StationLink
from labwright.stations.rehearsed import RehearsedStation

STATIONS = 3

LAB = "name: rehearsed\ntitle: Nothing but time\nports: {}\ndevices: {}\nstations:\n" + "".join(
    f"  s{number}: {{title: Station {number}, devices: {{}}}}\n" for number in range(STATIONS)
)

PROTOCOL = f'''
"""Steps that only take time."""

from labwright.model.protocol import NumberParameter, NumberResult, StepSpec
from labwright.stations import LabProtocol, Plan, StepContext


class Pass(LabProtocol):
    """A step at each station, one after the other."""

    name = "pass_time"
    title = "Nothing"
    parameters = tuple(NumberParameter(name=name, unit="1", low=0, high=1) for name in ("x", "z"))
    results = (NumberResult(name="y", unit="1"),)
    steps = tuple(
        StepSpec(name=f"step{{n}}", station=f"s{{n}}", needs=(f"step{{n - 1}}",) if n else (), expected_s=60)
        for n in range({STATIONS})
    )


def _plan(self: Pass, context: StepContext) -> Plan:
    yield from ()
    return {{"y": context.parameters["x"]}} if context.order.step == "step{STATIONS - 1}" else {{}}


for _number in range({STATIONS}):
    setattr(Pass, f"step{{_number}}", _plan)
'''

CAMPAIGN = """
name: rehearsed
title: Nothing
protocol: pass_time
space:
  parameters:
    - {{type: real, name: x, unit: "1", low: 0.0, high: 1.0}}
    - {{type: real, name: z, unit: "1", low: 0.0, high: 1.0}}
{pool}
objective: {{name: y, goal: max, unit: "1"}}
planner: {{name: random}}
budget: {budget}
parallel: {parallel}
"""


def make_lab(root: Path) -> LabFolder:
    """The lab's folder, with a pool of 10,000 rows in it."""
    for name in ("lab_config/campaigns", "protocols"):
        (root / name).mkdir(parents=True)
    (root / "lab_config" / "lab.yaml").write_text(LAB)
    (root / "protocols" / "__init__.py").touch()
    (root / "protocols" / "pass_time.py").write_text(PROTOCOL)
    chance = random.Random(1)  # noqa: S311
    rows = "".join(f"{chance.random():.9f},{chance.random():.9f}\n" for _ in range(10_000))
    (root / "lab_config" / "pool.csv").write_text(f"x,z\n{rows}")
    return read_lab(root)


def make_campaign(folder: LabFolder, *, budget: int, parallel: int = 2, pool: bool = False) -> Campaign:
    """A campaign of experiments that only take time."""
    path = folder.root / "lab_config" / "campaigns" / "rehearsed.yaml"
    listed = "  pool: {file: lab_config/pool.csv}" if pool else ""
    path.write_text(CAMPAIGN.format(budget=budget, parallel=parallel, pool=listed))
    return load_campaign(folder, path)


class AtOnce:
    """Suggests by chance, in this process."""

    def __init__(self, campaign: Campaign) -> None:
        self._names = [one.name for one in campaign.spec.space.parameters]
        self._chance = random.Random(campaign.spec.seed)  # noqa: S311 - nothing secret

    def ask(self, state: CampaignState, n: int, answered: Callable[[Answer], None]) -> None:
        """Answer."""
        params = {name: self._chance.random() for name in self._names}
        answered(Answer((Suggestion(params=params, rationale="by chance"),)))

    def rest(self) -> None:
        """There is nothing to give back."""

    def close(self) -> None:
        """There is nothing to end."""


def station(controller: LabController, name: str) -> StationLink:
    """A station that only takes time; its last step finds something."""
    return RehearsedStation(
        name,
        clock=controller.lab.clock,
        finished=controller.finished,
        results=lambda order: {"y": order.parameters["x"]} if order.step == f"step{STATIONS - 1}" else {},
    )


PARTS = Parts(worker=AtOnce, station=station)


def carry_out(
    folder: LabFolder,
    place: str | Path,
    data: Path,
    campaigns: list[Campaign],
    seen: Callable[[Event, CampaignCore], None],
    *,
    parts: Parts | None = None,
) -> LabController:
    """Carry out campaigns one after the other; the controller afterwards.

    Args:
        folder: the lab.
        place: of the journal.
        data: folder of the runs.
        campaigns: which.
        seen: called with every event, in the controller's loop.
        parts: of the controller; the stations and the planner of this module if None.
    """
    left = list(campaigns)
    with Lab(folder, SteppedClock()) as lab, Journal(place) as journal:
        controller = LabController(lab, journal, data, parts=parts or PARTS)

        def on_event(event: Event, core: CampaignCore) -> None:
            seen(event, core)
            if core.over and left:
                controller.start(left.pop(0))

        controller.on_event = on_event
        controller.start(left.pop(0))
        controller.run(lambda: controller.all_over)
    return controller
