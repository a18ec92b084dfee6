"""Samples on a command line: where each is, what it was made of, what became of a lot."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from labwright.cli.app import app
from labwright.engine.events import EVENTS
from labwright.engine.lab import LabCore
from labwright.engine.tables import take_changes
from labwright.journal import Journal, NewEvent
from labwright.model.errors import ConfigError, RefusedError
from labwright.model.material import Used
from tests.engine.test_material import ML, Deck, started

ROOT = Path(__file__).parents[2]
WHO = ("--by", "Kim", "--reason", "looked", "--lab", ROOT)


def here(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, words)])


def said(*words: str | Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in here(*words, "--json").stdout.splitlines()]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A journal with a sample that was measured and left at the balance, and one that is under way."""
    deck = Deck()
    deck.take("a", started("a", budget=1))
    deck.suggest("a", 2.0)
    deck.end("a/0001/fetch")
    deck.end("a/0001/measure", used=Used(amount=2 * ML))
    deck.end("a/0001/out", "failed")
    deck.take("b", started("b", budget=1))
    deck.suggest("b", 1.0)
    (tmp_path / "runs").mkdir()
    lab = LabCore()
    lab.instruments = "real"
    with Journal(tmp_path / "journal.sqlite") as journal:
        journal.control("Bo")
        for number, (campaign, event) in enumerate(deck.events):
            again = EVENTS.validate_json(event.model_dump_json())
            lab.handle(campaign, again, float(number))
            payload = again.model_dump_json().encode()
            journal.record(
                [NewEvent(campaign, again.kind, payload, b"[]", float(number), take_changes(lab), instruments="real")]
            )
    return tmp_path


def test_samples_are_listed_and_shown_with_what_they_were_made_of(data: Path) -> None:
    first, second = said("sample", "list", "--data", data)
    assert (first["sample"], first["disposition"], first["place"]) == ("a/0001", "in the lab", "balance")
    assert second["disposition"] == "under way"
    assert len({first["id"], second["id"]}) == 2
    (shown,) = said("sample", "show", first["id"], "--data", data)
    assert [(one["taken_from"], one["lot"], one["amount"]) for one in shown["made_of"]] == [
        ("container:water-1", "W1", 2 * ML)
    ]
    assert shown["holds"] == {"nL": 2 * ML}
    assert "in the lab" in here("sample", "show", "a/0001", "--data", data).stdout


def test_lineage_goes_up_and_down(data: Path) -> None:
    up = said("sample", "lineage", "a/0001", "--data", data)
    assert [(one["distance"], one["taken_from"]) for one in up] == [(1, "container:water-1"), (2, "outside")]
    for name in ("water-1", "W1"):
        down = said("sample", "lineage", name, "--down", "--data", data)
        assert [one["put_into"] for one in down] == ["sample:a/0001"]
    refused = here("sample", "lineage", "W9", "--data", data)
    assert isinstance(refused.exception, ConfigError)
    assert "no sample 'W9'" in str(refused.exception)


def test_what_becomes_of_a_sample_is_said_by_a_person(data: Path) -> None:
    first = said("sample", "list", "--data", data)[0]
    refused = here("sample", "dispose", "b/0001", "--data", data, *WHO)
    assert isinstance(refused.exception, RefusedError)
    assert "sample b/0001 is under way" in str(refused.exception)
    assert here("sample", "quarantine", first["id"], "--data", data, *WHO).exit_code == 0
    assert said("sample", "list", "--data", data)[0]["quarantine"] == "looked"
    assert here("sample", "dispose", "a/0001", "--as", "archived", "--data", data, *WHO).exit_code == 0
    first = said("sample", "list", "--data", data)[0]
    assert (first["disposition"], first["place"], first["by"]) == ("archived", "", "Kim")
