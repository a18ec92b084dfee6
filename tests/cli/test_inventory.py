"""What is there is shown and counted from a command line, whether a controller runs or not."""

import json
from pathlib import Path
from typing import Any

import pytest
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
        (("rins=4",), ConfigError, "no stock, waste or position 'rins'; did you mean 'rinse'"),
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
