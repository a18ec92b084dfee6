"""A stock in the well of a plate: dispensed, booked, moved with its plate."""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from labwright.engine.events import MovedByHand, Received
from labwright.engine.hand_entries import book_alone
from labwright.engine.inventory import deck_count, from_files
from labwright.engine.lab import LabCore
from labwright.engine.tables import take_changes
from labwright.journal import Journal, NewEvent, schema
from labwright.lab import YamlFile, validate
from labwright.model.errors import ConfigError, LabwrightError
from labwright.model.lab import LabModel
from labwright.model.material import StockAt, StockFacts
from tests.forks import labwright
from tests.lab.test_supply_mistakes import PLATE

ROOT = Path(__file__).parents[2]
CHANGES = (
    (
        "  syringe: {title: 60 mL syringe,",
        "  tray: {title: Tray, capacity_ul: 60000, dead_ul: 500, wells: {rows: 2, columns: 2, pitch_mm: [40, 40]}}\n"
        "  syringe: {title: 60 mL syringe,",
    ),
    (
        "  rinse-1: {labware: syringe, lot: rinse-1, quantity: 58 mL}\n",
        "  tray_1: {labware: tray, wells: {A1: {lot: rinse-1, quantity: 58 mL}, B2: {lot: rinse-1, quantity: 9 mL}}}\n",
    ),
    ("container: rinse-1, station: impedance", "container: tray_1.A1, station: impedance"),
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The reference lab, which rinses its cell from a well."""
    folder = tmp_path_factory.mktemp("labs")
    for name in ("lab_config", "devices", "protocols", "simulators"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / "lab_config" / "inventory.yaml"
    text = file.read_text()
    for old, new in CHANGES:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)
    return folder


def stocks(lab: Path, data: Path) -> dict[str, dict[str, Any]]:
    said = labwright("inventory", "list", "--data", data, "--json", cwd=lab)
    assert said.returncode == 0, said.stderr
    return {one["stock"]: one for one in json.loads(said.stdout)["stocks"]}


def test_what_is_dispensed_leaves_its_well_and_no_other(lab: Path, tmp_path: Path) -> None:
    done = labwright(
        *("campaign", "run", "conductivity", "--lab", lab, "--data", tmp_path, "--simulated", "--no-store"),
        *("--budget", "1", "--planner", "random"),
    )
    assert done.returncode == 0, done.stderr
    there = stocks(lab, tmp_path)
    well, other = there["tray_1.A1"], there["tray_1.B2"]
    assert (well["material"], well["place"], well["plate"]) == ("rinse", "source:rinse", "tray_1")
    assert (other["left"], other["place"], other["plate"]) == (9_000_000, "", "tray_1")
    with sqlite3.connect(tmp_path / "journal.sqlite") as journal:
        taken = "SELECT sum(amount) FROM ledger WHERE taken_from = 'container:tray_1.A1'"
        assert journal.execute(taken).fetchone() == (58_000_000 - well["left"],)
    assert well["left"] < 58_000_000
    doctor = labwright("doctor", "--data", tmp_path, "--lab", lab, "--json").stdout.splitlines()
    (ledger,) = [one for one in map(json.loads, doctor) if one["what"].startswith("ledger")]
    assert (ledger["state"], ledger["detail"]) == ("ok", "it adds up")


@pytest.fixture
def small(tmp_path: Path) -> LabModel:
    path = tmp_path / "lab.yaml"
    deck = "  deck: {takes: [plate], holds: tray}\n"
    assert deck in PLATE
    path.write_text(PLATE.replace(deck, f"{deck}  side: {{takes: [plate]}}\n"))
    return validate(LabModel, [YamlFile(path, Path("lab.yaml"))])


@pytest.fixture
def journal(small: LabModel, tmp_path: Path) -> Iterator[Journal]:
    """Of a deck with its first fill."""
    core, event = LabCore(), from_files(small)
    core.instruments = "real"
    core.handle("", event, 10.0)
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.control("Bo")
        payload = event.model_dump_json().encode()
        journal.record([NewEvent("", event.kind, payload, b"[]", 10.0, take_changes(core), instruments="real")])
        yield journal


def move(journal: Journal, model: LabModel, container: str, to: str) -> None:
    book_alone(journal, model, "real", MovedByHand(container=container, to=to, by="Kim", because="a new tray"))


def test_a_plate_is_moved_with_its_wells_and_no_well_alone(small: LabModel, journal: Journal) -> None:
    move(journal, small, "tray", "side")
    count = deck_count(journal, "real")
    assert count is not None
    assert (count.holds["deck"].kind, count.holds["side"].kind) == ("", "tray")
    assert count.stocks["tray.A1"].facts.place == "", "whether its pump reaches it there, a person must say"
    for to in ("deck", "outside"):
        with pytest.raises(LabwrightError, match=r"tray.A1 is a well of tray, and goes where that goes: move tray"):
            move(journal, small, "tray.A1", to)
    move(journal, small, "tray.A1", "small")
    count = deck_count(journal, "real")
    assert count is not None
    assert (count.stocks["tray.A1"].facts.source, count.stocks["tray.A1"].facts.plate) == ("small", "tray")
    move(journal, small, "tray", "outside")
    count = deck_count(journal, "real")
    assert count is not None
    assert [name for name in count.stocks if name.startswith("tray")] == []
    assert count.holds["side"].kind == ""
    gone = journal.rows(schema.ledger, schema.ledger.c.put_into == "outside")
    assert {(row["taken_from"], row["amount"]) for row in gone} == {
        ("container:tray.A1", 300_000), ("container:tray.B3", 100_000),
    }  # fmt: skip


def test_wells_of_a_plate_that_comes_are_booked_one_by_one(small: LabModel, journal: Journal) -> None:
    facts = StockFacts(material="DMC", lot="DMC-1", labware="plate")
    for name in ("tray_2", "tray_2.C1", "tray_2.A01"):
        with pytest.raises(ConfigError, match=r"a plate has wells A1 to B3; book each one as PLATE.WELL"):
            received(journal, small, name, StockAt(facts=facts, count=100_000))
    with pytest.raises(ConfigError, match=r"0\.361 ml in a plate, which holds 0\.36 ml"):
        received(journal, small, "tray_2.A1", StockAt(facts=facts, count=361_000))
    received(journal, small, "tray_2.A1", StockAt(facts=facts, count=100_000))
    count = deck_count(journal, "real")
    assert count is not None
    assert count.stocks["tray_2.A1"].facts.plate == "tray_2"
    assert count.stocks["tray_2.A1"].dead == 20_000


def received(journal: Journal, model: LabModel, name: str, there: StockAt) -> None:
    book_alone(journal, model, "real", Received(stocks={name: there}, by="Kim", because="a new tray"))
