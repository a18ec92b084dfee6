"""Warm a sample and see how it glows."""

from __future__ import annotations

from labwright.model.protocol import NumberParameter, NumberResult, StepSpec
from labwright.stations import LabProtocol, Plan, StepContext, observe, physical, wait_s


class WarmUp(LabProtocol):
    """Heat, hold, measure."""

    name = "warm_up"
    title = "Warm up and measure"
    parameters = (NumberParameter(name="temperature", unit="degC", low=20, high=90),)
    results = (NumberResult(name="glow", unit="1"),)
    steps = (StepSpec(name="warm", station="heating", expected_s=300, on_failure="ask"),)

    def warm(self, context: StepContext) -> Plan:
        """The only step."""
        heater = context.device("heater")
        yield from physical(context, heater.temperature, context.order.parameters["temperature"])
        yield from wait_s(self.lab.constants["warm_up"]["hold_s"])
        values = yield from observe(context, heater)
        return {"glow": values[heater.glow.name]}
