"""What a rehearsal begins with, while a controller works on the same journal."""

from pathlib import Path

import pytest

from labwright.engine import deck_state as read_from
from labwright.engine.continuing import UnderWay
from labwright.journal import Journal, NewEvent
from labwright.lab import read_lab
from labwright.model.rows import Changes

ROOT = Path(__file__).parents[2]


def test_a_campaign_that_begins_meanwhile_has_left_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its positions were taken for those of a campaign that is over, which a person has to clear."""
    place = tmp_path / "journal.sqlite"
    row = {"id": "c-1", "name": "c", "state": "running", "simulated": False, "budget": 3, "tried": 0}
    taken = {"instruments": "real", "resource": "position:cell", "campaign": "c-1", "label": "0001", "step_id": ""}
    taken["state"] = "held"
    changes: Changes = {
        ("campaign", "c-1"): {**row, "instruments": "real"},
        ("reservation", "real", "position:cell"): taken,
    }
    with Journal(place) as controller, Journal.reading(place) as journal:
        controller.control("a test")

        def begins(journal: Journal, instruments: str) -> UnderWay | None:
            controller.record([NewEvent("c-1", "started", b"{}", b"[]", 0.0, changes)])
            return None

        monkeypatch.setattr(read_from, "under_way", begins)
        deck = read_from.deck_state(journal, read_lab(ROOT).model, "real", [])
        assert deck.left == {}
