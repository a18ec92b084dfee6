"""A protocol without instruments."""

import os

from labwright.model.errors import DeviceError, InfeasibleError
from labwright.model.protocol import ParameterSpec, ResultSpec, StepSpec
from labwright.stations import LabProtocol


class Stir(LabProtocol):
    """What is above 0.7 cannot be prepared."""

    name = "stir"
    title = "Stir"
    container = "vial"
    parameters = (ParameterSpec(name="x", unit="1", low=0, high=1),)
    results = (ResultSpec(name="y", unit="1"),)
    steps = (
        StepSpec(name="to_balance", station="arm", expected_s=1, moves_to="balance"),
        StepSpec(name="dose", station="arm", needs=("to_balance",), expected_s=1, on_failure="ask"),
        StepSpec(name="out", station="arm", needs=("dose",), expected_s=1, leaves=True),
    )

    def check(self, parameters):
        super().check(parameters)
        if parameters["x"] > 0.7:
            raise InfeasibleError("more than 0.7 does not dissolve.", {"x": 0.1})

    def to_balance(self, context):
        yield from ()
        return {}

    def dose(self, context):
        yield from ()
        if context.order.label in os.environ.get("FAIL", "").split():
            raise DeviceError("the pump leaks")
        x = context.order.parameters["x"]
        return {"y": x * (1 - x)}

    def out(self, context):
        yield from ()
        return {}
