"""What is there is shown and counted from a command line, whether a controller runs or not."""

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import segno
from typer.testing import CliRunner, Result

from labwright.cli.app import app
from labwright.engine.inventory import from_files
from labwright.engine.lab import LabCore
from labwright.engine.tables import take_changes
from labwright.journal import Journal, NewEvent, schema
from labwright.lab import read_lab
from labwright.model.errors import ConfigError, RefusedError

ROOT = Path(__file__).parents[2]
WHO = ("--by", "Kim", "--reason", "refilled")


def here(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A journal whose real deck has its first fill."""
    lab, event = LabCore(), from_files(read_lab(ROOT).model)
    lab.instruments = "real"
    lab.handle("", event, 10.0)
    (tmp_path / "runs").mkdir()
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.control("Bo")
        payload = event.model_dump_json().encode()
        journal.record([NewEvent("", event.kind, payload, b"[]", 10.0, take_changes(lab), instruments="real")])
    return tmp_path


def shown(data: Path) -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, object]]]:
    said = json.loads(here("inventory", "list", "--data", data, "--json").stdout)
    assert said["instruments"] == "real"
    return {one["stock"]: one for one in said["stocks"]}, {one["position"]: one for one in said["positions"]}


def test_what_is_there_is_shown(data: Path) -> None:
    stocks, positions = shown(data)
    rinse = stocks["rinse-1"]
    assert (rinse["left"], rinse["usable"], rinse["unit"], rinse["counted_s"]) == (58_000_000, 57_500_000, "nL", 10.0)
    assert (positions["rack_30"]["holds"], positions["rack_30"]["unused"]) == ("vial", True)
    assert (positions["cell"]["holds"], positions["cell"]["unused"]) == ("", False)
    words = here("inventory", "list", "--data", data).stdout
    assert "rinse" in words
    assert "standard_weak" in words


def test_what_was_counted_is_recorded_with_name_and_reason(data: Path) -> None:
    counted = here("inventory", "count", "--data", data, "--lab", ROOT, "rinse=40.5", "rack_2=empty", *WHO)
    assert counted.exit_code == 0, counted.output
    stocks, positions = shown(data)
    assert stocks["rinse-1"]["left"] == 40_500_000
    assert positions["rack_2"]["holds"] == ""
    assert positions["rack_3"]["unused"]
    with Journal.reading(data / "journal.sqlite") as journal:
        *_, entry = journal.rows(schema.ledger, order=schema.ledger.c.id)
        *_, event = journal.events("")
    assert (entry["taken_from"], entry["amount"], entry["by"], entry["because"]) == (
        "container:rinse-1",
        17_500_000,
        "Kim",
        "refilled",
    )
    assert (event.kind, event.instruments, event.payload["by"]) == ("recounted", "real", "Kim")
    assert here("inventory", "count", "--data", data, "--lab", ROOT, "--from-file", *WHO).exit_code == 0
    stocks, positions = shown(data)
    assert (stocks["rinse-1"]["left"], positions["rack_2"]["holds"]) == (58_000_000, "vial")


@pytest.mark.parametrize(
    ("words", "error", "match"),
    [
        (("rins=4",), ConfigError, "no stock or waste 'rins'; did you mean 'rinse'"),
        (("rinse=4mg",), ConfigError, "rinse: '4mg' is counted in ug, this in nL; give it in ml"),
        (("rinse=4e",), ConfigError, "no unit 'e' for an amount"),
        (("rinse=-1",), ConfigError, "less than nothing"),
        (("rack_1=vail",), ConfigError, "did you mean 'vial'"),
        (("rack_1",), ConfigError, "is not STOCK=AMOUNT or POSITION=CONTAINER"),
        ((), ConfigError, "nothing was counted"),
        (("rinse=4", "--instruments", "here"), ConfigError, "no instruments with a count 'here'"),
    ],
)
def test_what_is_not_there_cannot_be_counted(
    data: Path, words: tuple[str, ...], error: type[Exception], match: str
) -> None:
    refused = here("inventory", "count", "--data", data, "--lab", ROOT, *words, *WHO)
    assert isinstance(refused.exception, error)
    assert match in str(refused.exception)


def test_a_deck_that_was_never_filled_has_nothing_to_count(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    with Journal(tmp_path / "journal.sqlite"):
        pass
    refused = here("inventory", "count", "--data", tmp_path, "--lab", ROOT, "rinse=4", *WHO)
    assert isinstance(refused.exception, RefusedError)
    assert "no deck was filled yet" in str(refused.exception)


CSV = """container,labware,material,quantity,lot,barcode,opened,expires,place
rinse-2,syringe,rinse,58 mL,R2,0815,2026-11-01,2027-05-01,source:rinse
rinse-3,syringe,rinse,20 mL,R3,,,,shelf
"""


def test_what_comes_is_booked_from_a_command_line_and_from_a_file(data: Path, tmp_path: Path) -> None:
    where = ("--data", data, "--lab", ROOT, *WHO)
    file = tmp_path / "delivery.csv"
    file.write_text(CSV)
    assert here("inventory", "import", file, *where).exit_code == 0
    stocks, _ = shown(data)
    assert {name: stocks[name]["place"] for name in ("rinse-1", "rinse-2", "rinse-3")} == {
        "rinse-1": "", "rinse-2": "source:rinse", "rinse-3": "",
    }  # fmt: skip
    assert stocks["rinse-2"]["expires"] == "2027-05-01"
    more = ("--labware", "syringe", "--material", "rinse", "--quantity", "30mL")
    assert here("inventory", "receive", "rinse-4", *more, *where).exit_code == 0
    assert here("inventory", "adjust", "rinse=-0.5mL", *where).exit_code == 0
    assert here("inventory", "move", "rinse-2", "shelf", *where).exit_code == 0
    assert here("inventory", "move", "rinse-4", "rinse", *where).exit_code == 0
    assert here("inventory", "quarantine", "rinse-3", *where).exit_code == 0
    stocks, _ = shown(data)
    assert (stocks["rinse-2"]["left"], stocks["rinse-2"]["place"]) == (57_500_000, "")
    assert stocks["rinse-4"]["place"] == "source:rinse"
    assert stocks["rinse-3"]["barred"]
    assert here("inventory", "count", "rinse=25", *where).exit_code == 0, "what is at the source now"
    stocks, _ = shown(data)
    assert (stocks["rinse-4"]["left"], stocks["rinse-1"]["left"]) == (25_000_000, 58_000_000)
    several = here("inventory", "count", "DMC_EC_50_50=1", *where)
    assert several.exit_code == 0, "one container alone holds it"
    assert here("inventory", "move", "rinse-1", "outside", *where).exit_code == 0
    gone = here("inventory", "count", "rinse-1=58", *where)
    assert "rinse-1 is not in the books any more, and rinse-4 is now at source:rinse" in str(gone.exception)
    doctor = here("doctor", "--data", data, "--lab", ROOT, "--json").stdout.splitlines()
    (ledger,) = [one for one in map(json.loads, doctor) if one["what"].startswith("ledger")]
    assert (ledger["state"], ledger["detail"]) == ("ok", "it adds up")
    out = tmp_path / "all.csv"
    assert here("inventory", "export", out, "--data", data).exit_code == 0
    assert "rinse-2,syringe,rinse,R2,57.5 mL,0815,2026-11-01,2027-05-01,released,shelf" in out.read_text()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("58 mL", "-58 mL"), "delivery.csv:2: '-58 mL' is less than nothing"),
        (("58 mL", "58"), "delivery.csv:2: '58' has no unit"),
        (("20 mL,R3,", "20 mL,R3,0815"), "delivery.csv:3: barcode '0815' is there twice, first in line 2"),
        (("rinse-3,", "rinse-2,"), "delivery.csv:3: container 'rinse-2' is there twice, first in line 2"),
        (("shelf", "source:rinse"), "delivery.csv:3: place 'source:rinse' is there twice, first in line 2"),
        (("shelf", "fridge"), "delivery.csv:3: place 'fridge' is none; write source:NAME, position:NAME, or shelf"),
        (("quantity", "qantity"), "delivery.csv:1: no column 'qantity'; did you mean 'quantity'?"),
        (("20 mL,R3,,,,", "20 mL,R3,,,"), "delivery.csv:3: it has not as many cells as the first line has names"),
        (("2027-05-01", "May"), "delivery.csv:2: Invalid isoformat string: 'May'"),
        (("rinse-3,syringe", "rinse-3,syrnge"), "container rinse-3: no labware 'syrnge'; did you mean 'syringe'?"),
        (("20 mL", "70 mL"), "container rinse-3: 70 ml in a syringe, which holds 60 ml"),
        (("rinse,20", "rins,20"), "container rinse-3: no material 'rins'; did you mean 'rinse'?"),
        (("source:rinse", "source:DMC_EC_50_50"), "source DMC_EC_50_50 gives DMC_EC_50_50, and this is rinse"),
        (("shelf", "position:cell"), "position cell takes vial, not a syringe"),
        (("rinse-3", "rinse-1"), "container rinse-1 is booked already"),
    ],
)
def test_a_file_with_a_mistake_books_nothing(data: Path, tmp_path: Path, change: tuple[str, str], words: str) -> None:
    file = tmp_path / "delivery.csv"
    assert change[0] in CSV
    file.write_text(CSV.replace(*change, 1) if change[0] != "shelf" else CSV.replace(*change))
    before = shown(data)
    refused = here("inventory", "import", file, "--data", data, "--lab", ROOT, *WHO)
    assert isinstance(refused.exception, ConfigError | RefusedError)
    assert words in str(refused.exception)
    assert shown(data) == before


@pytest.mark.parametrize(
    ("words", "match"),
    [
        (("adjust", "rinse=2mg"), "rinse-1 is counted in nL; give it in ml"),
        (("adjust", "rinse=-59mL"), "59 ml less than the 58 ml that are known to be there is less than nothing"),
        (("move", "rinse-1", "rack_1"), "position rack_1 takes vial, not a syringe"),
        (("move", "rack_1", "rack_2"), "position rack_2 holds vial; move that first"),
        (("move", "rinse-9", "shelf"), "no container or position 'rinse-9'; did you mean 'rinse-1'?"),
        (("move", "rinse-1", "DMC_EC_50_50"), "DMC_EC_50_50 gives DMC_EC_50_50, and rinse-1 holds rinse"),
        (("release", "rins"), "no stock 'rins'; did you mean 'rinse'?"),
    ],
)
def test_what_does_not_fit_is_not_booked(data: Path, words: tuple[str, ...], match: str) -> None:
    refused = here("inventory", *words, "--data", data, "--lab", ROOT, *WHO)
    assert isinstance(refused.exception, ConfigError | RefusedError)
    assert match in str(refused.exception)


def test_labels_have_a_code_that_says_the_barcode(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "delivery.csv"
    file.write_text(CSV)
    here("inventory", "import", file, "--data", data, "--lab", ROOT, *WHO)
    out = tmp_path / "labels.svg"
    said = json.loads(here("inventory", "labels", out, "rinse-2", "rinse-3", "--data", data, "--json").stdout)
    assert said["labels"] == {"rinse-2": "0815", "rinse-3": "rinse-3"}
    drawn = ElementTree.parse(out).getroot()  # noqa: S314 - our own file
    assert (drawn.get("width"), drawn.get("height")) == ("190.5mm", "25.4mm")
    dark = [one.get("d", "").count("z") for one in drawn.iter("{http://www.w3.org/2000/svg}path")]
    codes = [segno.make(text, error="m", micro=False).matrix for text in ("0815", "rinse-3")]
    assert dark == [sum(map(sum, code)) for code in codes]
    assert "use until 2027-05-01" in out.read_text()
    unknown = here("inventory", "labels", out, "rinse-9", "--data", data)
    assert "no container 'rinse-9'" in str(unknown.exception)
