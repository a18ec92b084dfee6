"""Mistakes in materials, lots, containers, sources and calendars: each with its place, and what to do."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from labwright.lab import MistakesError, YamlFile, validate
from labwright.model.calendars import week_days
from labwright.model.lab import LabModel
from labwright.model.quantities import amount

LAB = """\
name: small
title: Small
ports: {a: {type: tcp, host: a.invalid, tcp_port: 1}}
devices:
  pump_[1-2]: {driver: "devices.a:A", port: a, settings: {address: "[1-2]"}}
stations:
  dosing: {title: Dosing, devices: {}}
labware:
  vial: {title: Vial, capacity_ul: 8000}
  syringe: {title: Syringe, capacity_ul: 60000, dead_ul: 500}
materials:
  DMC: {title: Dimethyl carbonate, cas: 616-38-6, hazards: [H225], storage: "dry, below 30 °C"}
  KCl: {title: Standard, cas: 7447-40-7}
lots:
  DMC-1: {material: DMC, supplier: Someone, opened: 2026-11-01, expires: 2027-11-01, status: released}
  KCl-1: {material: KCl, status: quarantined}
containers:
  DMC-1: {labware: syringe, lot: DMC-1, quantity: 58 mL, barcode: "0001"}
  KCl-a: {labware: vial, lot: KCl-1, quantity: 6 mL, barcode: "0002"}
  tared: {labware: vial, barcode: "0003"}
sources:
  DMC: {device: pump_1, container: DMC-1, station: dosing, settings: {valve_port: 1}}
wastes:
  bottle: {title: Bottle, station: dosing, capacity: 1 L}
positions:
  rack_[1-2]: {takes: [vial], holds: vial}
  standard: {takes: [vial], holds: KCl-a}
  bench: {takes: [vial], holds: tared}
calendars:
  operators: {zone: UTC, opens: {mon-fri: "09:00-17:30", sat: ["09:00-12:00"]}, closed: [2026-12-29]}
maintenance:
  - {station: dosing, starts: 2026-12-01T09:00:00+09:00, ends: "2026-12-01T12:00+09:00", why: new seals}
booked:
  - {station: dosing, starts: 2026-12-02T09:00+09:00, ends: 2026-12-02T12:00+09:00, by: Kim, why: a course}
"""


def lab(folder: Path, text: str) -> LabModel:
    path = folder / "lab.yaml"
    path.write_text(text)
    return validate(LabModel, [YamlFile(path, Path("lab.yaml"))])


def test_what_a_lab_has_is_read_with_its_units(tmp_path: Path) -> None:
    read = lab(tmp_path, LAB)
    assert read.lots["DMC-1"].expires == date(2027, 11, 1)
    assert read.containers["DMC-1"].quantity == amount("58 mL")
    stock = read.stocks[read.stock_named("DMC")]
    assert (stock.facts.source, stock.device, stock.count, stock.dead) == ("DMC", "pump_1", 58_000_000, 500_000)
    dispensed = [name for name, one in read.stocks.items() if one.device]
    assert dispensed == [read.stock_named("DMC")], "a standard in the rack is not dispensed"
    assert read.devices_at("dosing") == ("pump_1",)
    (maintenance,) = read.maintenance
    assert maintenance.starts.isoformat() == "2026-12-01T09:00:00+09:00", "YAML's own reading would forget the offset"


SECOND = "  second: {device: pump_2, container: %s, station: dosing}\nwastes:"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("quantity: 58 mL", "quantity: 58", "lab.yaml:18:51: containers.DMC-1.quantity: '58' has no unit; write"),
        ("quantity: 58 mL", "quantity: -58 mL", "lab.yaml:18:51: containers.DMC-1.quantity: '-58 mL' is less than"),
        ("quantity: 58 mL", "quantity: 58 gal", "'58 gal': no unit 'gal' for an amount; there are nL, uL, mL, L,"),
        ("quantity: 58 mL", "quantity: '1,5 mL'", "'1,5' is not a number; write the decimal point as '.'"),
        ("quantity: 58 mL", "quantity: 0.0000001 mL", "is no whole number of nanolitres"),
        ("quantity: 58 mL", "quantity: 61 mL", "lab.yaml:18:51: containers.DMC-1.quantity: 61 mL in a syringe, which"),
        (", quantity: 58 mL", "", "lab.yaml:18:10: containers.DMC-1: how much of lot DMC-1 is there? Write"),
        ("lot: KCl-1, quantity", "quantity", "containers.KCl-a: 6 mL, but of what? Name its lot"),
        ("lot: KCl-1", "lot: KCl-2", "lab.yaml:19:31: containers.KCl-a.lot: no lot 'KCl-2'; did you mean 'KCl-1'?"),
        ('barcode: "0002"', 'barcode: "0001"', "containers.KCl-a.barcode: container 'DMC-1' has the same barcode 0001"),
        ("barcode: \"0002\"", "barcode: 2", "containers.KCl-a.barcode: must be text, not the value 2"),
        ("labware: vial, barcode", "labware: vail, barcode", "containers.tared.labware: no labware 'vail'"),
        ("  tared:", "  vial:", "containers.vial: is the name of a kind of labware as well"),
        ("expires: 2027", "expires: 2025", "lab.yaml:15:10: lots.DMC-1: expires on 2025-11-01, before it was opened"),
        ("opened: 2026-11-01", "opened: 20261101", "lots.DMC-1.opened: write it as 2026-11-01, not 20261101"),
        ("material: KCl", "material: KCL", "lab.yaml:16:21: lots.KCl-1.material: no material 'KCL'; did you mean"),
        ("status: quarantined", "status: used", "lots.KCl-1.status: must be 'released' or 'quarantined', not 'used'"),
        ("616-38-6", "616-38-5", "lab.yaml:12:41: materials.DMC.cas: '616-38-5' is no CAS number: its last digit"),
        ("cas: 7447-40-7", "cas: 7447407", "materials.KCl.cas: must be text"),
        ("[H225]", "[flammable]", "lab.yaml:12:61: materials.DMC.hazards.0: string should match pattern"),
        ("container: DMC-1", "container: DMC-2", "lab.yaml:22:36: sources.DMC.container: no container 'DMC-2'"),
        ("container: DMC-1", "container: tared", "sources.DMC.container: container 'tared' has no lot"),
        ("device: pump_1", "device: pump_3", "sources.DMC.device: no device 'pump_3'"),
        (", station: dosing, settings", ", settings", "lab.yaml:22:8: sources.DMC: no station dispenses from it"),
        ("wastes:", SECOND % "DMC-1", "lab.yaml:23:39: sources.second.container: container 'DMC-1' is that of source"),
        ("wastes:", "  more: {device: pump_2, container: more, station: dosing}\nwastes:", "no container 'more'"),
        ("holds: tared", "holds: KCl-a", "positions.bench.holds: container 'KCl-a' is that of position 'standard' as"),
        ("holds: tared", "holds: DMC-1", "lab.yaml:28:33: positions.bench.holds: container 'DMC-1' is that of source"),
        ("holds: tared", "holds: tarred", "no labware or container 'tarred'; did you mean 'tared'?"),
        ("holds: tared", "holds: syringe", "positions.bench.holds: a syringe does not fit here, which takes vial"),
        ("station: dosing, capacity", "station: doing, capacity", "wastes.bottle.station: no station 'doing'"),
        ("zone: UTC", "zone: Japan/Tokyo", "calendars.operators.zone: no time zone 'Japan/Tokyo' on this system"),
        ('{mon-fri: "09:00-17:30", sat: ["09:00-12:00"]}', "{}", "calendars.operators.opens: never opens"),
        ('{mon-fri: "09:00-17:30", sat: ["09:00-12:00"]}', "{mon: []}", "calendars.operators.opens: never opens"),
        ("mon-fri:", "monday:", "calendars.operators.opens: no days 'monday'; write mon, tue,"),
        ("09:00-17:30", "17:30-09:00", "'17:30-09:00' ends before it begins; over midnight write two days"),
        ("09:00-17:30", "9-17", "no hours '9-17'; write them as '09:00-17:30'"),
        ("- {station: dosing", "- {station: doing", "maintenance.0.station: no station 'doing'; did you mean"),
        ("09:00:00+09:00", "13:00:00+09:00", "maintenance.0: ends at 2026-12-01T12:00:00+09:00, not after it starts"),
        ("dosing, starts: 2026-12-02", "doing, starts: 2026-12-02", ":34:15: booked.0.station: no station 'doing'"),
        ("devices: {}}", "devices: {}, attended: operator}", "stations.dosing.attended: no calendar 'operator'"),
        (", by: Kim", "", "booked.0.by: "),
        (", why: new seals", "", "maintenance.0.why: "),
        ("09:00:00+09:00", "09:00:00", "maintenance.0.starts: write it with its offset from UTC, as"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_its_place(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in LAB
    with pytest.raises(MistakesError) as caught:
        lab(tmp_path, LAB.replace(old, new, 1))
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("labware: vial, barcode", "labware: vail, barcode"),
        ("container: DMC-1", "container: DMC-2"),
        ("holds: tared", "holds: DMC-1"),
        ("wastes:", SECOND % "DMC-1"),
    ],
)
def test_what_follows_from_a_mistake_is_no_mistake(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(MistakesError, match="1 mistake found"):
        lab(tmp_path, LAB.replace(old, new, 1))


def test_a_station_may_have_several_sources_of_a_material_also_on_one_device(tmp_path: Path) -> None:
    two = LAB.replace("wastes:", SECOND % "DMC-2").replace(
        "  KCl-a:", "  DMC-2: {labware: syringe, lot: DMC-1, quantity: 20 mL}\n  KCl-a:"
    )
    stocks = lab(tmp_path, two).stocks
    assert {name: stock.facts.source for name, stock in stocks.items() if stock.device} == {
        "DMC-1": "DMC",
        "DMC-2": "second",
    }
    one_device = lab(tmp_path, two.replace("pump_2, container: DMC-2", "pump_1, container: DMC-2"))
    assert one_device.devices_at("dosing") == ("pump_1",)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("container: DMC-1,", "container: DMC-1, into: botle,", "sources.DMC.into: no waste 'botle'; did you mean"),
        ("  DMC: {device", "  KCl: {device", "sources.KCl: is the name of a material, and it gives DMC"),
        ("  bottle: {", "  DMC: {", "wastes.DMC: there is one of that name under sources as well"),
        ("dosing, capacity", "dosing, device: pump_9, capacity", "wastes.bottle.device: no device 'pump_9'"),
        ("dosing, capacity", "dosing, device: pump_1, capacity", "draws samples into it, and dispenses from source"),
    ],
)
def test_what_is_called_alike_is_told_apart(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in LAB
    with pytest.raises(MistakesError) as caught:
        lab(tmp_path, LAB.replace(old, new, 1))
    assert expected in str(caught.value)


@pytest.mark.parametrize(
    ("text", "count", "unit", "again"),
    [
        ("58 mL", 58_000_000, "nL", "58 mL"), ("1.5mL", 1_500_000, "nL", "1.5 mL"), ("250 µL", 250_000, "nL", "250 uL"),
        ("0.5 g", 500_000, "ug", "500 mg"), ("96 pieces", 96, "pieces", "96 pieces"), ("0 mL", 0, "nL", "0 nL"),
        ("1e3 L", 10**12, "nL", "1000 L"),
    ],
)  # fmt: skip
def test_amounts_are_counted_in_whole_units(text: str, count: int, unit: str, again: str) -> None:
    read = amount(text)
    assert (read.count, read.unit, str(read)) == (count, unit, again)
    assert amount(again) == read


def test_days_of_a_week_go_over_its_end() -> None:
    assert week_days("sat-mon") == (5, 6, 0)
    assert week_days("wed") == (2,)


PLATE = (
    LAB.replace(
        "  syringe: {title: Syringe,",
        "  plate: {title: Plate, capacity_ul: 360, dead_ul: 20, wells: {rows: 2, columns: 3, pitch_mm: [9, 9]}}\n"
        "  syringe: {title: Syringe,",
    )
    .replace(
        "sources:\n",
        "  tray: {labware: plate, wells: {A1: {lot: DMC-1, quantity: 300 uL}, B3: {lot: KCl-1, quantity: 100 uL}}}\n"
        "sources:\n  small: {device: pump_2, container: tray.A1, station: dosing}\n",
    )
    .replace("calendars:", "  deck: {takes: [plate], holds: tray}\ncalendars:")
)


def test_each_well_is_a_stock_of_its_own(tmp_path: Path) -> None:
    read = lab(tmp_path, PLATE)
    well = read.stocks["tray.A1"]
    assert (well.count, well.dead, well.device, well.facts.plate) == (300_000, 20_000, "pump_2", "tray")
    assert (well.facts.material, well.facts.source, well.facts.labware) == ("DMC", "small", "plate")
    assert read.stocks["tray.B3"].facts.place == ""
    assert "tray" not in read.stocks


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("B3: {lot", "C1: {lot", "containers.tray.wells.C1: a plate has wells A1 to B3"),
        ("B3: {lot", "B03: {lot", "containers.tray.wells.B03"),
        ("lot: KCl-1, quantity: 100 uL", "lot: KCl-9, quantity: 100 uL", "tray.wells.B3.lot: no lot 'KCl-9'"),
        ("quantity: 300 uL", "quantity: 361 uL", "tray.wells.A1.quantity: 361 uL in a well of a plate"),
        (", quantity: 100 uL", "", "containers.tray.wells.B3.quantity"),
        ("{labware: plate, wells", "{labware: syringe, wells", "tray.wells.A1: a syringe has no wells; write"),
        ("{labware: plate, wells", "{labware: plate, lot: DMC-1, quantity: 1 uL, wells", "lot DMC-1 is in it"),
        ("container: tray.A1", "container: tray", "is dispensed; name one of its wells, as tray.A1"),
        ("container: tray.A1", "container: tray.A2", "small.container: no container 'tray.A2'; did you mean"),
        ("  tray: {", "  tray.A1: {labware: vial}\n  tray: {", "there is a container of the name tray.A1; give that"),
    ],
)  # fmt: skip
def test_a_mistake_with_wells_is_told_with_its_place(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert old in PLATE
    with pytest.raises(MistakesError) as caught:
        lab(tmp_path, PLATE.replace(old, new, 1))
    assert expected in str(caught.value)
