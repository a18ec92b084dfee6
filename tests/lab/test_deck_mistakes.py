"""Mistakes in labware, positions, slots and transports: each with its place, and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from labwright.lab import MistakesError, YamlFile, validate
from labwright.lab.ranges import covers
from labwright.model.lab import LabModel

LAB = """\
name: small
title: Small
ports: {}
devices: {}
stations:
  transport: {title: Transport, devices: {}}
  stirring: {title: Stirring, devices: {}, slots: 2, recipe: one}
labware:
  vial: {title: Vial, capacity_ul: 8000}
  plate: {title: Plate, capacity_ul: 360, wells: {rows: 8, columns: 12, pitch_mm: [9.0, 9.0]}, stacks_on: [plate]}
positions:
  rack_[1-4]: {takes: [vial], holds: vial}
  shelf: {takes: [plate], holds: plate}
  handover: {takes: [vial, plate]}
  plate_[1-2]: {takes: [vial], station: stirring}
  waste: {takes: [vial, plate], leaves: true}
transports:
  arm: {station: transport, move_s: 15, reaches: {"rack_[1-4]": "[1-4]", handover: 5, shelf: 6, waste: 7}}
  rail: {station: transport, labware: [vial], move_s: 5, reaches: {handover: left, "plate_[1-2]": {x_mm: "[10-11]"}}}
"""


def lab(folder: Path, text: str) -> LabModel:
    path = folder / "lab.yaml"
    path.write_text(text)
    return validate(LabModel, [YamlFile(path, Path("lab.yaml"))])


def test_a_name_with_a_range_stands_for_each_of_its_numbers(tmp_path: Path) -> None:
    read = lab(tmp_path, LAB)
    assert [*read.positions] == [
        "rack_1", "rack_2", "rack_3", "rack_4", "shelf", "handover", "plate_1", "plate_2", "waste",
    ]  # fmt: skip
    assert read.transports["arm"].reaches["rack_3"] == 3
    assert read.transports["rail"].reaches == {"handover": "left", "plate_1": {"x_mm": 10}, "plate_2": {"x_mm": 11}}
    assert read.stations["stirring"].slots == 2
    assert read.labware["plate"].well_count == 96


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("slots: 2,", "slots: 0,", "lab.yaml:7:51: stations.stirring.slots: input should be greater than or equal"),
        ("slots: 2,", "slots: 3,", "lab.yaml:7:51: stations.stirring.slots: 3 slots need as many positions"),
        ("slots: 2,", "slots: 3,", "2 positions are there (plate_1, plate_2)"),
        ("slots: 2, ", "", "lab.yaml:7:13: stations.stirring: 1 slot, but 2 positions are there"),
        ("station: stirring}", "station: stiring}", "no station 'stiring'; did you mean 'stirring'?"),
        ("takes: [vial], station", "takes: [vil], station", "lab.yaml:15:25: positions.plate_[1-2].takes.0: no lab"),
        ("takes: [vial], holds: vial", "takes: [], holds: vial", "positions.rack_[1-4].takes: needs at least 1 entry"),
        ("holds: plate}", "holds: [plate, plate]}", "lab.yaml:13:34: positions.shelf.holds: one container stands"),
        ("holds: plate}", "holds: vial}", "lab.yaml:13:34: positions.shelf.holds: a vial does not fit here"),
        ("  handover: {takes: [vial, plate]}\n", "  handover: {takes: [vial, plate]}\n  box: {takes: [vial]}\n",
         "lab.yaml:15:8: positions.box: no transport reaches it"),
        ("labware:\n", "labware:\n  tip: {title: Tip}\n", "lab.yaml:9:8: labware.tip: fits nowhere: no position"),
        ("capacity_ul: 360", "capacity_ul: -1", "labware.plate.capacity_ul: input should be greater than 0, not -1"),
        ("stacks_on: [plate]}", "stacks_on: [plate, lid]}\n  lid: {title: Lid, stacks_on: [plate]}",
         "stacks_on: stacks in a circle: "),
        ("stacks_on: [plate]", "stacks_on: [plat]", "labware.plate.stacks_on.0: no labware 'plat'; did you mean"),
        ("rail: {station: transport", "rail: {station: trans", "transports.rail.station: no station 'trans'"),
        ("labware: [vial], move", "labware: [vail], move", "transports.rail.labware.0: no labware 'vail'"),
        ("shelf: 6", "shelve: 6", "transports.arm.reaches.shelve: no position 'shelve'"),
        ("shelf: 6", "shelf: 3", "transports.arm.reaches.shelf: the same taught location 3 as 'rack_3'"),
        ("handover: left,", "shelf: left,", "transports.rail.reaches.shelf: takes only plate, and rail carries vial"),
        ("handover: left, ", "", "lab.yaml:15:16: positions.plate_[1-2]: no vial can be brought here from rack_1"),
        ("move_s: 5", "move_s: 0", "transports.rail.move_s: input should be greater than 0, not 0"),
        ("rack_[1-4]:", "rack_[4-1]:", "lab.yaml:12:3: positions.rack_[4-1]: the range [4-1] goes down"),
        ("rack_[1-4]:", "rack_[1-9999]:", "the range [1-9999] has more than 2000 numbers"),
        ('"[1-4]"', '"[1-5]"', "the range in '[1-5]' has 5 numbers, that of its key 4"),
        ("  shelf: {takes", "  rack_2: {takes", "the key 'rack_2' is here a second time"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in LAB
    with pytest.raises(MistakesError) as caught:
        lab(tmp_path, LAB.replace(old, new, 1))
    assert expected in str(caught.value)


def test_one_mistake_in_a_line_of_many_is_shown_once(tmp_path: Path) -> None:
    with pytest.raises(MistakesError, match=r"1 mistake found.*\n.*positions.rack_\[1-4\].takes.0: no labware 'vil'"):
        lab(tmp_path, LAB.replace("rack_[1-4]: {takes: [vial], holds: vial}", "rack_[1-4]: {takes: [vil]}"))


@pytest.mark.parametrize(
    ("key", "names", "others"),
    [
        ("rack_[2-11]", ["rack_2", "rack_11"], ["rack_1", "rack_12", "rack_02", "rack_", "rack_x", "rak_2", 2]),
        ("well_[01-12]_a", ["well_01_a", "well_12_a"], ["well_1_a", "well_13_a", "well_01"]),
        ("[1-3]", [1, 3, "2"], [0, 4, "x"]),
    ],
)
def test_what_a_key_with_a_range_stands_for(key: str, names: list[object], others: list[object]) -> None:
    assert [name for name in [*names, *others] if covers(key, name)] == names


def test_a_device_for_each_slot_is_for_recipes_of_their_own(tmp_path: Path) -> None:
    port = "{type: tcp, host: a.invalid, tcp_port: 1}"
    device = "{driver: 'devices.a:A', port: a, settings: {address: %d}}"
    text = LAB.replace("ports: {}", f"ports: {{a: {port}}}").replace(
        "devices: {}\n", f"devices: {{hot_1: {device % 1}, hot_2: {device % 2}}}\n", 1
    )
    each = text.replace("devices: {}, slots: 2, recipe: one", "devices: {plate: [hot_1, hot_2]}, slots: 2, recipe: own")
    assert lab(tmp_path, each).stations["stirring"].role_devices == ("hot_1", "hot_2")
    for old, new, expected in (
        ("recipe: own", "recipe: one", "lab.yaml:7:48: stations.stirring.devices.plate: a device for each slot is for"),
        ("[hot_1, hot_2]", "[hot_1]", "stations.stirring.devices.plate: 1 of 2 slots have a device; name one for each"),
        ("[hot_1, hot_2]", "[hot_1, hot_3]", "lab.yaml:7:56: stations.stirring.devices.plate.1: no device 'hot_3'"),
        ("[hot_1, hot_2]", "[hot_1, 3]", "must be text, not the value 3: put it in quotes"),
    ):
        with pytest.raises(MistakesError) as caught:
            lab(tmp_path, each.replace(old, new))
        assert expected in str(caught.value)
