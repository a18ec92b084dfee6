"""A reaction in a solvent, with a catalyst, for some time at a temperature."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from typing import Any

from labwright.model.errors import InfeasibleError
from labwright.model.protocol import (
    ArrayResult,
    ChoiceParameter,
    ChoiceResult,
    FileResult,
    FlagParameter,
    FlagResult,
    IntegerParameter,
    IntegerResult,
    NumberParameter,
    NumberResult,
    OrdinalParameter,
    StepSpec,
    TextParameter,
)
from labwright.stations import LabProtocol, Plan, StepContext, observe, physical, wait_s

PORTS = {"DMC": 2, "PC": 3, "MeCN": 4}
RINSE = 6


class Reaction(LabProtocol):
    """Fill, add the catalyst, heat, analyse."""

    name = "reaction"
    title = "Esterification"
    parameters = (
        ChoiceParameter(
            name="solvent",
            levels=("DMC", "PC", "MeCN"),
            descriptors={"DMC": {"epsilon": 3.1}, "PC": {"epsilon": 64.9}, "MeCN": {"epsilon": 37.5}},
        ),
        ChoiceParameter(name="catalyst", levels=("acid", "base")),
        NumberParameter(name="temperature", unit="degC", low=30, high=85),
        OrdinalParameter(name="time", unit="min", values=(5, 10, 20, 40)),
        IntegerParameter(name="stirrer", unit="rpm", low=0, high=1000),
        FlagParameter(name="rinse"),
        TextParameter(name="note", max_length=40),
    )
    results = (
        NumberResult(name="ester", unit="%", uncertainty="ester_error"),
        NumberResult(name="water", unit="%"),
        NumberResult(name="reached", unit="degC", measures="temperature"),
        IntegerResult(name="crystals"),
        ChoiceResult(name="phase", levels=("clear", "two layers")),
        FlagResult(name="boiled"),
        ArrayResult(name="spectrum", unit="1", shape=(None, 2), dims=("wavelength", "channel")),
        FileResult(name="picture", media_type="image/x-portable-graymap"),
    )
    steps = (
        StepSpec(name="fill", station="filling", expected_s=30, on_failure="ask"),
        StepSpec(name="add", station="catalysis", needs=("fill",), expected_s=5, on_failure="ask"),
        StepSpec(name="react", station="reaction", needs=("add",), expected_s=900, on_failure="ask"),
        StepSpec(name="analyse", station="reaction", needs=("react",), expected_s=10, on_failure="ask"),
    )

    def check(self, parameters: Mapping[str, Any]) -> None:
        """A base precipitates in DMC: nothing can be measured there."""
        super().check(parameters)
        if (parameters["solvent"], parameters["catalyst"]) == ("DMC", "base"):
            raise InfeasibleError("The base precipitates in DMC.", {"solvent": "DMC", "catalyst": "acid"})

    def fill(self, context: StepContext) -> Plan:
        """The solvent by its port, and the rinse, if it is wanted, by its own."""
        amounts, given = self.lab.constants[self.name], context.order.parameters
        yield from physical(context, context.device("valve").selection, PORTS[given["solvent"]])
        yield from physical(context, context.device("pump").volume, amounts["solvent_ul"])
        if given["rinse"]:
            yield from physical(context, context.device("valve").selection, RINSE)
            yield from physical(context, context.device("pump").volume, amounts["rinse_ul"])
        return {"label": f"{given['note']} ({context.order.sample})"}

    def add(self, context: StepContext) -> Plan:
        """The catalyst out of its own doser."""
        amounts, given = self.lab.constants[self.name], context.order.parameters
        yield from physical(context, context.device(given["catalyst"]).volume, amounts["catalyst_ul"])
        return {}

    def react(self, context: StepContext) -> Plan:
        """Heat, and wait."""
        heater, given = context.device("heater"), context.order.parameters
        yield from physical(context, heater.temperature, given["temperature"])
        yield from wait_s(60 * given["time"])
        values = yield from observe(context, heater)
        return {"reached": values[heater.temperature.name]}

    def analyse(self, context: StepContext) -> Plan:
        """All that the analyser finds."""
        analyser = context.device("analyser")
        values = yield from observe(context, analyser)
        found = {
            name: values[getattr(analyser, name).name] for name in ("ester", "water", "crystals", "phase", "spectrum")
        }
        picture = base64.b64decode(values[analyser.picture.name])
        return {
            **found,
            "ester_error": 0.5,
            "boiled": bool(values[analyser.boiled.name]),
            "picture": context.keep_file(picture, "image/x-portable-graymap"),
        }
