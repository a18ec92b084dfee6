"""Campaign files against dates: deadlines, and hours that are too short."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from labwright.engine import load_campaign
from labwright.lab import LabFolder, MistakesError, read_lab
from labwright.model.calendars import CalendarSpec

ROOT = Path(__file__).parents[2]
SPEC = ROOT / "lab_config" / "campaigns" / "conductivity.yaml"
NOON_S = datetime.fromisoformat("2026-12-01T12:00+09:00").timestamp()


@pytest.fixture(scope="module")
def folder() -> LabFolder:
    return read_lab(ROOT)


def with_deadline(folder: Path, words: str) -> tuple[Path, int]:
    """A campaign file with a deadline in its last line, and the number of that."""
    path = folder / "conductivity.yaml"
    text = SPEC.read_text(encoding="utf-8").rstrip("\n") + f"\ndeadline: {words}\n"
    path.write_text(text, encoding="utf-8")
    return path, text.count("\n")


@pytest.mark.parametrize("words", ["2026-12-04T17:00", "2026-12-04", "'17:00'", "86400"])
def test_a_deadline_has_its_offset_from_utc(folder: LabFolder, tmp_path: Path, words: str) -> None:
    path, line = with_deadline(tmp_path, words)
    with pytest.raises(MistakesError, match="offset from UTC") as raised:
        load_campaign(folder, path)
    assert [one.line for one in raised.value.mistakes] == [line]


def test_a_deadline_that_has_passed_is_refused_where_the_campaign_starts(folder: LabFolder, tmp_path: Path) -> None:
    path, line = with_deadline(tmp_path, "2026-12-01T12:00+09:00")
    assert load_campaign(folder, path, now_s=NOON_S - 1).spec.deadline is not None
    assert load_campaign(folder, path).spec.deadline is not None, "a journal of it can be read"
    with pytest.raises(MistakesError, match=r"2026-12-01T12:00\+09:00 has passed") as raised:
        load_campaign(folder, path, now_s=NOON_S)
    assert [one.line for one in raised.value.mistakes] == [line]


def test_a_step_that_fits_into_no_hours_of_its_station_is_refused(folder: LabFolder) -> None:
    short = CalendarSpec(zone="UTC", opens={"mon": "09:00-09:01"})
    stations = dict(folder.model.stations)
    stations["impedance"] = stations["impedance"].model_copy(update={"attended": "operators"})
    model = folder.model.model_copy(update={"calendars": {"operators": short}, "stations": stations})
    with pytest.raises(MistakesError, match=r"step \w+ should take .* station impedance is never open for so long"):
        load_campaign(replace(folder, model=model), SPEC)
    always = CalendarSpec(zone="UTC", opens={"mon-fri": "09:00-17:00"})
    load_campaign(replace(folder, model=model.model_copy(update={"calendars": {"operators": always}})), SPEC)
