"""One physical operation at each station, and a measurement."""

from __future__ import annotations

from collections.abc import Mapping

from labwright.model.protocol import NumberParameter, NumberResult, StepSpec
from labwright.stations import LabProtocol, Plan, StepContext, observe, physical

SHARED_UL = 200.0
"""What doser and pump give together."""

DUMB_UL = 50.0
POSITIONS = 6


class Ways(LabProtocol):
    """Dose x by the gateway, the rest by the pump, turn, squirt, measure."""

    name = "ways"
    title = "Four ways to find out"
    parameters = (NumberParameter(name="x", unit="1", low=0.0, high=1.0),)
    results = (NumberResult(name="y", unit="1"),)
    steps = (
        StepSpec(name="id_dose", station="by_id", expected_s=2, on_failure="ask"),
        StepSpec(name="count_dose", station="by_counter", needs=("id_dose",), expected_s=2, on_failure="ask"),
        StepSpec(name="turn", station="by_state", needs=("count_dose",), expected_s=1, on_failure="ask"),
        StepSpec(name="dumb_dose", station="by_ask", needs=("turn",), expected_s=2, on_failure="ask"),
        StepSpec(name="measure", station="by_id", needs=("dumb_dose",), expected_s=2, on_failure="ask"),
    )

    def consumption_ml(self, parameters: Mapping[str, float]) -> dict[str, float]:
        """Three doses."""
        dye_ul = SHARED_UL * (0.25 + parameters["x"] / 2)
        return {"dye": dye_ul / 1000, "water": (SHARED_UL - dye_ul) / 1000, "acid": DUMB_UL / 1000}

    def worst_consumption_ml(self) -> dict[str, float]:
        """Of each the most."""
        most_ml = 0.75 * SHARED_UL / 1000
        return {"dye": most_ml, "water": most_ml, "acid": DUMB_UL / 1000}

    def id_dose(self, context: StepContext) -> Plan:
        """The gateway's share, 50 to 150 ul."""
        yield from physical(context, context.device("doser").volume, SHARED_UL * (0.25 + _x(context) / 2))
        return {}

    def count_dose(self, context: StepContext) -> Plan:
        """The pump's share, 150 to 50 ul."""
        yield from physical(context, context.device("pump").volume, SHARED_UL * (0.75 - _x(context) / 2))
        return {}

    def turn(self, context: StepContext) -> Plan:
        """Another position than the last experiment's."""
        yield from physical(context, context.device("valve").selection, 1 + context.order.experiment % POSITIONS)
        return {}

    def dumb_dose(self, context: StepContext) -> Plan:
        """Always the same."""
        yield from physical(context, context.device("dumb").volume, DUMB_UL)
        return {}

    def measure(self, context: StepContext) -> Plan:
        """What the mixture shows; the beaker is emptied."""
        meter = context.device("meter")
        values = yield from observe(context, meter)
        return {"y": values[meter.y.name]}


def _x(context: StepContext) -> float:
    return context.order.parameters["x"]
