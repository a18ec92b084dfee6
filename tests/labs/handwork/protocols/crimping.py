"""Warm a cell, and let a person crimp it."""

from __future__ import annotations

from labwright.model.protocol import (
    ChoiceParameter,
    ChoiceResult,
    FlagParameter,
    FlagResult,
    Manual,
    NumberParameter,
    NumberResult,
    StepSpec,
    TextParameter,
)
from labwright.stations import LabProtocol, Plan, StepContext, observe, physical


class Crimping(LabProtocol):
    """The heater warms the cell, a person crimps it and reads the torque."""

    name = "crimping"
    title = "Warm and crimp a cell"
    parameters = (NumberParameter(name="temperature", unit="degC", low=20, high=90),)
    results = (
        NumberResult(name="glow", unit="1"),
        NumberResult(name="torque", unit="N.m"),
        ChoiceResult(name="rim", levels=("even", "wavy", "torn")),
        FlagResult(name="leaks"),
    )
    steps = (
        StepSpec(name="warm", station="heating", expected_s=5, on_failure="ask"),
        StepSpec(
            name="crimp",
            station="bench",
            needs=("warm",),
            expected_s=60,
            on_failure="ask",
            manual=Manual(
                task="Crimp cell {sample}, warmed to {temperature:.1f} degC, with the red press.",
                who="a person trained on the press",
                readings=(
                    NumberParameter(name="torque", unit="N.m", low=0.5, high=2.0, description="at the end stop"),
                    ChoiceParameter(name="rim", levels=("even", "wavy", "torn")),
                    FlagParameter(name="leaks"),
                    TextParameter(name="remark", max_length=40),
                ),
            ),
        ),
    )

    def warm(self, context: StepContext) -> Plan:
        """Heat, and look."""
        heater = context.device("heater")
        yield from physical(context, heater.temperature, context.order.parameters["temperature"])
        values = yield from observe(context, heater)
        return {"glow": values[heater.glow.name]}
