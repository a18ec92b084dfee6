"""Inks in a beaker that nobody moves; inks in vials that the arm carries; and a look at an empty beaker before."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labwright.model.errors import InfeasibleError
from labwright.model.protocol import ParameterSpec, Repeat, ResultSpec, StepSpec, When
from labwright.stations import LabProtocol, Plan, StepContext, observe, physical, wait_s

TOTAL_UL = 200.0
LEAST_UL = 10.0
DARKEST = 0.9
"""A larger share of cyan cannot be made: it stains."""

THICK = 0.8
"""A larger share of cyan does not move in the stirrer."""

WATER_UL = 25.0
STIR_RPM = 500
STIR_S = 3.0
OPEN, CLOSED = 0, 1

SHARE = ParameterSpec(name="share", unit="1", low=0.0, high=1.0)
RESULTS = (ResultSpec(name="shade", unit="1"), ResultSpec(name="clarity", unit="1"))


class Inks(LabProtocol):
    """What both have in common."""

    def check(self, parameters: Mapping[str, float]) -> None:
        """Refuse what stains."""
        super().check(parameters)
        if parameters["share"] > DARKEST:
            raise InfeasibleError(f"more than {DARKEST:g} of cyan stains.", {"share": DARKEST})

    def consumption_ml(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """By the share."""
        return {ink: volume_ul / 1000 for ink, volume_ul in self.volumes_ul(parameters["share"]).items()}

    def worst_consumption_ml(self) -> dict[str, float]:
        """All of it may be one ink."""
        return {"cyan": (TOTAL_UL + LEAST_UL) / 1000, "amber": (TOTAL_UL + LEAST_UL) / 1000}

    def volumes_ul(self, share: float) -> dict[str, float]:
        """Of each ink, and never nothing."""
        cyan = round(LEAST_UL + TOTAL_UL * share, 1)
        return {"cyan": cyan, "amber": round(LEAST_UL + TOTAL_UL - cyan + LEAST_UL, 1)}

    def dose(self, context: StepContext) -> Plan:
        """Both inks."""
        given = {}
        for ink, volume_ul in self.volumes_ul(context.order.parameters["share"]).items():
            given[ink] = yield from physical(context, context.device(ink).volume, volume_ul)
        return {"volumes_ul": given}

    def stir(self, context: StepContext) -> Plan:
        """For a while, unless it is too thick."""
        if context.order.parameters["share"] > THICK:
            raise InfeasibleError(f"more than {THICK:g} of cyan is too thick to be stirred.", {"share": THICK})
        stirrer = context.device("stirrer")
        yield from physical(context, stirrer.speed, STIR_RPM)
        yield from wait_s(STIR_S)
        yield from physical(context, stirrer.speed, 0)
        return {}

    def look(self, context: StepContext) -> Plan:
        """At what is in the light."""
        meter = context.device("meter")
        values = yield from observe(context, meter)
        return {name: float(values[getattr(meter, name).name]) for name in ("shade", "clarity", "uneven")}

    def drop(self, context: StepContext) -> Plan:
        """A little water."""
        yield from physical(context, context.device("dropper").volume, WATER_UL)
        return {}


class Beaker(Inks):
    """Dose, stir, look; nothing moves."""

    name = "beaker"
    title = "Inks in a beaker"
    parameters = (SHARE,)
    results = RESULTS
    steps = (
        StepSpec(name="dose", station="dosing", expected_s=4, on_failure="ask"),
        StepSpec(name="stir", station="stirring", needs=("dose",), expected_s=4, retries=1, on_failure="ask"),
        StepSpec(name="drop", station="looking", needs=("stir",), expected_s=2, on_failure="ask"),
        StepSpec(name="look", station="looking", needs=("drop",), expected_s=1, on_failure="abandon"),
    )


class Vials(Inks):
    """Fetch, dose, carry, stir until it is even, look, thin what is dark, look again, bring out."""

    name = "vials"
    title = "Inks in vials"
    container = "vial"
    parameters = (SHARE,)
    results = RESULTS
    steps = (
        StepSpec(name="fetch", station="transport", expected_s=2, moves_to="bench", on_failure="ask"),
        StepSpec(name="dose", station="dosing", needs=("fetch",), expected_s=4, on_failure="ask"),
        StepSpec(
            name="to_plate", station="transport", needs=("dose",), expected_s=2, moves_to="plate",
            on_failure="ask",
        ),
        StepSpec(
            name="stir", station="stirring", needs=("to_plate",), expected_s=4, retries=1, on_failure="ask",
            keeps=("light",),
        ),
        StepSpec(
            name="to_light", station="transport", needs=("stir",), expected_s=2, moves_to="light",
            on_failure="ask",
        ),
        StepSpec(name="look", station="looking", needs=("to_light",), expected_s=1, on_failure="ask"),
        StepSpec(
            name="drop", station="looking", needs=("look",), expected_s=2, on_failure="ask",
            when=When(result="look.clarity", op="<", value=0.65),
        ),
        StepSpec(
            name="look_again", station="looking", needs=("drop",), expected_s=1, on_failure="ask",
            when=When(result="look.clarity", op="<", value=0.65),
            repeat=Repeat(back_to="drop", until=When(result="look_again.clarity", op=">", value=0.62), at_most=3),
        ),
        StepSpec(
            name="out", station="transport", needs=("look_again",), expected_s=2, leaves=True, always=True,
            on_failure="ask",
        ),
    )  # fmt: skip

    def fetch(self, context: StepContext) -> Plan:
        """An empty vial."""
        yield from carry(context, context.order.place, "bench")
        return {}

    def to_plate(self, context: StepContext) -> Plan:
        """From the pumps to the stirrer."""
        yield from carry(context, "bench", "plate")
        return {}

    def to_light(self, context: StepContext) -> Plan:
        """From the stirrer to the meter."""
        yield from carry(context, "plate", "light")
        return {}

    def look_again(self, context: StepContext) -> Plan:
        """After the water."""
        return (yield from self.look(context))

    def out(self, context: StepContext) -> Plan:
        """Away with it, from wherever it stands."""
        yield from carry(context, context.order.stands_at, "waste")
        return {}


class Blank(Inks):
    """The empty beaker."""

    name = "blank"
    title = "A look at nothing"
    results = (ResultSpec(name="blank", unit="1"),)
    steps = (
        StepSpec(name="prime", station="dosing", expected_s=2, on_failure="stop"),
        StepSpec(name="see", station="looking", needs=("prime",), expected_s=1, on_failure="stop"),
    )

    def check(self, parameters: Mapping[str, float]) -> None:
        """It takes none."""
        LabProtocol.check(self, parameters)

    def consumption_ml(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """A little of each."""
        return self.worst_consumption_ml()

    def worst_consumption_ml(self) -> dict[str, float]:
        """A little of each."""
        return {"cyan": LEAST_UL / 1000, "amber": LEAST_UL / 1000}

    def prime(self, context: StepContext) -> Plan:
        """A little of each ink."""
        for ink in ("cyan", "amber"):
            yield from physical(context, context.device(ink).volume, LEAST_UL)
        return {}

    def see(self, context: StepContext) -> Plan:
        """What is seen."""
        meter = context.device("meter")
        values = yield from observe(context, meter)
        return {"blank": float(values[meter.shade.name])}


def carry(context: StepContext, start: str, end: str) -> Plan:
    """Carry the vial at `start` to `end`; after a fault the gripper is opened first."""
    arm: Any = context.device("arm")
    if context.order.attempt > 1:
        yield from physical(context, arm.gripper, OPEN)
    for place, grip in ((start, CLOSED), (end, OPEN)):
        yield from physical(context, arm.location, context.lab.positions[place].arm_location)
        yield from physical(context, arm.gripper, grip)
