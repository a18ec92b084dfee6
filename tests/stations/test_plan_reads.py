"""What plans read is found in their code; where it cannot be followed, the worst is expected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labwright.lab import read_lab
from labwright.model.protocol import NumberParameter, NumberResult, StepSpec
from labwright.stations import LabProtocol, Plan, StepContext, observe
from labwright.stations.catalogue import make_protocol
from labwright.stations.plan_reads import PlanCode, parameters_read
from labwright.stations.skips import optional_steps

ROOT = Path(__file__).parents[2]


def test_what_the_plans_of_the_reference_lab_read() -> None:
    protocol = make_protocol(read_lab(ROOT), "electrolyte_conductivity")
    assert parameters_read(protocol) == {
        "dose": ("molality", "ec_fraction", "dmc_share"),
        "stir": ("temperature",),
        "measure": ("temperature",),
        "finish": ("temperature",),
    }
    assert optional_steps(protocol, ROOT) == ("stir",)


class Ways(LabProtocol):
    """Each step hides what it reads in another way, or does not."""

    name = "ways"
    title = "Ways"
    parameters = (
        NumberParameter(name="x", unit="1", low=0, high=1),
        NumberParameter(name="y", unit="1", low=0, high=1),
    )
    results = (NumberResult(name="found", unit="1"),)
    steps = tuple(StepSpec(name=name, station="s", expected_s=1) for name in ("plain", "named", "all", "shown", "away"))

    def plain(self, context: StepContext) -> Plan:
        yield from observe(context, context.device("d"))
        return {"a": context.order.parameters["x"], "b": context.result("named", "v")}

    def named(self, context: StepContext) -> Plan:
        given = context.order.parameters
        yield from ()
        return {"v": self._of(given)}

    def all(self, context: StepContext) -> Plan:
        yield from ()
        return dict(context.order.parameters)

    def shown(self, context: StepContext) -> Plan:
        yield from ()
        return {"seen": [*context.order.results.values()]}

    def away(self, context: StepContext) -> Plan:
        yield from _elsewhere.carry(context)  # type: ignore[attr-defined]
        return {"found": 1.0}

    def _of(self, values: Any) -> float:
        return float(values["y"]) + float(values.get("x", 0))


_elsewhere = object()


@pytest.mark.parametrize(
    ("step", "parameters", "results"),
    [
        ("plain", {"x"}, {"named"}),
        ("named", {"x", "y"}, set()),
        ("all", None, set()),
        ("shown", set(), None),
        ("away", None, None),
    ],
)
def test_what_cannot_be_followed_is_not_known(step: str, parameters: set[str] | None, results: set[str] | None) -> None:
    code = PlanCode(Ways(read_lab(ROOT).model), step)
    assert (code.parameters, code.results) == (parameters, results)
