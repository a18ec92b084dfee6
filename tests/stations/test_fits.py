"""What keeps a protocol's samples from where its steps need them is said before anything moves."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from labwright.lab import read_lab
from labwright.model.errors import ConfigError
from labwright.model.lab import LabModel
from labwright.model.protocol import StepSpec
from labwright.stations import LabProtocol, Plan, StepContext

ROOT = Path(__file__).parents[2]
LAB = read_lab(ROOT).model


def made(*steps: StepSpec, lab: LabModel = LAB, **more: Any) -> LabProtocol:
    def plan(self: LabProtocol, context: StepContext) -> Plan:
        yield from ()

    members = {"name": "p", "title": "P", "labware": "vial", "steps": steps, **{one.name: plan for one in steps}}
    kind: type[LabProtocol] = type("P", (LabProtocol,), {**members, **more})
    return kind(lab)


def step(name: str, station: str, *needs: str, **more: Any) -> StepSpec:
    return StepSpec(name=name, station=station, needs=needs, expected_s=10, **more)


DOSE, STIR = step("dose", "dosing"), step("stir", "stirring", "dose")


def without(*places: str) -> LabModel:
    arm = LAB.transports["arm"]
    reaches = {place: number for place, number in arm.reaches.items() if place not in places}
    changed = {"transports": {"arm": arm.model_copy(update={"reaches": reaches})}}
    return LAB.model_copy(update=changed)


@pytest.mark.parametrize(
    ("protocol", "words"),
    [
        (made(step("dose", "dosing", max_wait_s=5), STIR),
         "step dose: max_wait_s 5 cannot be kept even by a sample that is alone: stir begins 8 s after it"),
        (made(step("dose", "dosing", max_wait_s=20), step("dry", "stirring", "dose", sample=False),
              step("stir", "stirring", "dry")),
         None),
        (made(step("dose", "dosing", max_wait_s=15), step("dry", "stirring", "dose", sample=False),
              step("stir", "stirring", "dry")),
         "stir begins 18 s after it at the earliest"),
        (made(DOSE, step("stir", "stirring", "dose", max_wait_s=5)), "no step that needs the sample comes after it"),
        (made(DOSE, step("stir", "stirring", "dose", holds=True)),
         "step stir: holds, but station stirring has 4 slots and is no one sample's; make each of them a station"),
        (made(DOSE, step("rinse", "impedance", sample=False, holds=True)),
         "step rinse: holds, but it does not need the sample, so its station holds nothing of it"),
        (made(DOSE, lab=without("balance")), r"step dose: no transport brings a vial to dosing \(balance\)"),
        (made(DOSE, lab=without("waste")), "no transport brings a vial out of the lab when all is done"),
        (made(DOSE, lab=without("waste"), afterwards="returns"), None),
        (made(step("dose", "dosing", moves_to="balance")), "step dose: moves_to and leaves are for labs without"),
        (made(DOSE, labware="vail"), "no labware 'vail'; did you mean 'vial'"),
        (made(step("dose", "dosing", recipe=("heat",))), "step dose: recipe: no parameter 'heat'"),
        (made(DOSE, step("stir", "stiring", "dose")), "step stir: no station 'stiring'; did you mean 'stirring'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_its_step(protocol: LabProtocol, words: str | None) -> None:
    if words is None:
        protocol.check_fits()
        return
    with pytest.raises(ConfigError, match=words) as raised:
        protocol.check_fits()
    assert re.match(r"protocol p, ", str(raised.value))
