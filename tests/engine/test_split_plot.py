"""Batches whose experiments have parameters in common: asked for by the core, and carried out on simulated wires."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from labwright.clock import SteppedClock
from labwright.engine import CampaignRun, load_campaign
from labwright.engine.campaign_plan import DeckState, plan_campaigns
from labwright.engine.events import NotSuggested
from labwright.journal import Journal, journal_file
from labwright.lab import Lab, MistakesError, read_lab
from labwright.lab.classes import resolve
from labwright.model.spec import BatchSpec
from labwright.report import html, read_record
from labwright.simulation import SimulatedLab
from tests.engine.test_core import suggested
from tests.engine.test_replicates import Made

ROOT = Path(__file__).parents[2]
SPEC = (ROOT / "lab_config" / "campaigns" / "conductivity.yaml").read_text()
WARM = "    - {type: ordinal, name: temperature, unit: degC, values: [25, 30, 35, 40]}\n  constraints:"
SEARCHED = SPEC.replace("  constraints:", WARM).replace("fixed: {temperature: 27.0}\n", "")
BATCH = "batch: {same: [temperature]}\n"


def written(folder: Path, more: str, text: str = SEARCHED) -> Path:
    spec = folder / "conductivity.yaml"
    spec.write_text(f"{text}{more}")
    return spec


def common(size: int) -> BatchSpec:
    return BatchSpec(same=("x",), size=size)


def test_the_planner_is_asked_for_what_the_batch_has_in_common() -> None:
    campaign = Made(common(2), budget=5)
    campaign.go_on()
    assert [ask.state.held for ask in campaign.asks] == [{}, {"x": 0.1}, {}, {"x": 0.3}, {}]


def test_replicates_count_in_the_batch() -> None:
    campaign = Made(common(4), budget=6, replicates=2)
    campaign.go_on()
    assert [ask.state.held for ask in campaign.asks] == [{}, {"x": 0.1}, {}]


def test_where_nothing_has_that_in_common_any_more_another_batch_begins() -> None:
    campaign = Made(common(4), budget=6)
    campaign.answers = lambda number: suggested(0.5) if number != 2 else NotSuggested(reason="no point left")
    campaign.go_on()
    held = [ask.state.held for ask in campaign.asks]
    assert held == [{}, {"x": 0.1}, {}, {"x": 0.5}, {"x": 0.5}, {"x": 0.5}, {}]
    assert campaign.lab.core.phase == "completed"

    campaign = Made(common(4), budget=6)
    campaign.answers = lambda number: NotSuggested(reason="no point left at all")
    campaign.go_on()
    assert campaign.lab.core.phase == "failed"
    assert len(campaign.asks) == 3


@pytest.mark.parametrize(
    ("more", "wrong"),
    [
        (
            "batch: {same: [temprature]}\n",
            "batch.same.0: no parameter of the space 'temprature'; did you mean 'temperature'?",
        ),
        ("batch: {same: [temperature, temperature]}\n", "batch.same.1: 'temperature' is there twice"),
        ("batch: {same: [temperature], size: 1}\n", "batch.size"),
        ("batch: {same: [temperature], size: 6}\n", "batch.size: 6 experiments cannot have temperature in common"),
        ("batch: {same: [molality]}\n", "batch: no station with several slots has a step of electrolyte_conductivity"),
        (
            "batch: {same: [molality, ec_fraction, dmc_share, temperature], size: 2}\n",
            "batch.same: nothing is left to vary within a batch",
        ),
        (
            f"{BATCH}planner: {{name: skopt}}\n",
            "takes no account of parameters that are equal within a batch; choose gp",
        ),
    ],
)
def test_mistakes_are_told_with_their_line(more: str, wrong: str, tmp_path: Path) -> None:
    text = SEARCHED.replace("planner: {name: gp}\n", "") if "planner" in more else SEARCHED
    spec = written(tmp_path, more, text)
    with pytest.raises(MistakesError) as told:
        load_campaign(read_lab(ROOT), spec)
    (mistake,) = told.value.mistakes
    assert wrong in str(mistake)
    last = len(spec.read_text().splitlines())
    assert f"conductivity.yaml:{last}:" in str(mistake)


def test_a_batch_may_be_as_large_as_its_station_or_smaller(tmp_path: Path) -> None:
    folder = read_lab(ROOT)
    batch = load_campaign(folder, written(tmp_path, BATCH)).spec.batch
    assert batch is not None
    assert batch.size == 4
    smaller = load_campaign(folder, written(tmp_path, "batch: {same: [temperature], size: 2}\n")).spec.batch
    assert smaller is not None
    assert smaller.size == 2


def test_the_plate_is_heated_once_for_each_batch(tmp_path: Path) -> None:
    folder = read_lab(ROOT)
    campaign = load_campaign(folder, written(tmp_path, f"{BATCH}parallel: 4\n"), budget=8, seed=1, planner="random")
    planned = plan_campaigns(folder, [campaign], DeckState())
    clock = SteppedClock()
    with (
        SimulatedLab(folder.model, clock, resolve, seed=1) as twin,
        Lab(folder, clock, twin.addresses, simulated=True) as lab,
        Journal(journal_file(tmp_path)) as journal,
    ):
        end = CampaignRun(lab, campaign, journal, tmp_path).run()
        assert end.state == "completed", end.reason
        page = html(read_record(journal, end.campaign), twin.world)
    assert "True optimum" not in page, "the simulation knows it at a given temperature only"
    warm = [trial.params["temperature"] for trial in end.core.trials if trial.id.isdecimal()]
    assert len(set(warm[:4])) == len(set(warm[4:])) == 1, warm
    assert len({tuple(trial.params.values()) for trial in end.core.trials}) == len(end.core.trials)
    with sqlite3.connect(tmp_path / "journal.sqlite") as rows:
        stirred = rows.execute("select label, started_s, ended_s from step where name = 'stir'").fetchall()
    by_label = {int(label): (began_s, ended_s) for label, began_s, ended_s in stirred}
    if warm[0] != warm[4]:
        assert max(by_label[n][1] for n in range(1, 5)) <= min(by_label[n][0] for n in range(5, 9))
    assert planned.problems == ()
    assert planned.experiments == 8
