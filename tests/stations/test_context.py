"""What a plan asks of its context: the device of its slot, and what gives a material."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from labwright.clock import SteppedClock
from labwright.lab import YamlFile, validate
from labwright.model.errors import ConfigError
from labwright.model.lab import LabModel
from labwright.model.protocol import StepOrder
from labwright.stations import StepContext

LAB = """\
name: small
title: Small
ports: {a: {type: tcp, host: a.invalid, tcp_port: 1}}
devices:
  hot_[1-2]: {driver: "devices.a:A", port: a, settings: {address: "[1-2]"}}
  pump: {driver: "devices.a:A", port: a, settings: {address: 3}}
stations:
  heating: {title: Heating, devices: {plate: [hot_1, hot_2]}, slots: 2, recipe: own}
  dosing: {title: Dosing, devices: {}}
labware: {vial: {title: Vial}, bottle: {title: Bottle}}
positions:
  plate_[1-2]: {takes: [vial], station: heating}
  bench: {takes: [vial, bottle]}
materials: {DMC: {title: Dimethyl carbonate}, EC: {title: Ethylene carbonate}}
lots: {DMC-1: {material: DMC}, EC-1: {material: EC}}
containers:
  DMC-1: {labware: bottle, lot: DMC-1, quantity: 1 L}
  EC-1: {labware: bottle, lot: EC-1, quantity: 1 L}
sources:
  left: {device: pump, container: DMC-1, station: dosing, settings: {valve_port: 3}}
  right: {device: pump, container: EC-1, station: dosing}
"""


@pytest.fixture
def lab(tmp_path: Path) -> LabModel:
    path = tmp_path / "lab.yaml"
    path.write_text(LAB)
    return validate(LabModel, [YamlFile(path)])


def context(lab: LabModel, stands_at: str = "", **sources: str) -> StepContext:
    order = StepOrder(
        step_id="s", campaign="c", experiment=1, sample="0001", place="", stands_at=stands_at, protocol="p",
        step="heat", parameters={}, sources=sources,
    )  # fmt: skip
    devices: dict[str, Any] = {"plate": ("the first", "the second")}
    return StepContext(
        order, devices, lab, SteppedClock(), lambda: None, sources={"left": "the pump", "right": "the pump"}
    )


def test_each_slot_has_its_own_device(lab: LabModel) -> None:
    assert context(lab, "plate_1").device("plate") == "the first"
    assert context(lab, "plate_2").device("plate") == "the second"
    with pytest.raises(ConfigError, match="its own 'plate' here, and the location of the sample is bench"):
        context(lab, "bench").device("plate")


def test_a_source_gives_a_material_with_its_settings(lab: LabModel) -> None:
    source = context(lab).source("DMC")
    assert (source.name, source.device, source.settings) == ("left", "the pump", {"valve_port": 3})
    assert context(lab, DMC="right").source("DMC").name == "right", "the order says which"
    with pytest.raises(ConfigError, match=r"no source at this station that gives 'DMK'; did you mean 'DMC'\?"):
        context(lab).source("DMK")
    with pytest.raises(ConfigError, match="no source at this station that gives 'away'"):
        context(lab, DMC="away").source("DMC")
