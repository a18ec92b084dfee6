"""Journals of earlier versions, replayed: this version decides the same at every event, and writes the same rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from labwright.journal import Journal
from tests.golden import journals, replaying

FOLDERS = sorted(path.parent for path in Path(__file__).parent.glob("*/*/journal.sqlite.gz"))


def the_same_again(place: str) -> int:
    """Replay every campaign of a journal; how many events there were."""
    count, rows = 0, replaying.empty()
    with Journal(place) as journal:
        for campaign in journal.campaigns():
            for logged, decided in replaying.replay(journal, campaign, rows):
                assert decided == logged.decisions, f"event {logged.id} ({logged.kind}) of {campaign}"
                count += 1
        assert replaying.differences(replaying.stored(journal), rows) == []
    return count


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda path: f"{path.parent.name}-{path.name}")
def test_the_same_decisions_and_rows(folder: Path, tmp_path: Path) -> None:
    assert the_same_again(journals.restore_sqlite(folder, tmp_path)) > 0
