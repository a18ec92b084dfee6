"""`labwright campaign plan` and `labwright lab rehearse` on the reference lab: nothing moves, nothing is written."""

import json
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from typer.testing import CliRunner, Result

from labwright.cli.app import app
from labwright.cli.places import find_campaign
from labwright.engine import load_campaign
from labwright.engine.batch import Batch
from labwright.engine.campaign_plan import DeckState, _started
from labwright.engine.events import Event, RunStep, StepEnded, Stocked
from labwright.engine.inventory import from_files
from labwright.engine.lab import LabCore
from labwright.engine.layout import layout_of
from labwright.engine.rehearsal import in_the_middle
from labwright.engine.tables import take_changes
from labwright.journal import Journal, NewEvent
from labwright.lab import read_lab
from labwright.model.protocol import StepOutcome
from labwright.report import Bar
from labwright.report.gantt import gantt
from tests.forks import labwright as process

ROOT = Path(__file__).parents[2]
TAKEN = {"rinse": 1_500_000}
"""What each experiment under way takes."""


def labwright(*words: str | Path) -> Result:
    return CliRunner().invoke(app, [*map(str, words), "--lab", str(ROOT)])


def plan(data: Path, *words: str | Path) -> tuple[int, dict[str, Any]]:
    done = labwright("campaign", "plan", "conductivity", "--data", data, "--json", *words)
    return done.exit_code, json.loads(done.stdout)


def left(data: Path, stocked: Stocked) -> None:
    """A journal in which the real deck has this."""
    lab = LabCore()
    lab.instruments = "real"
    lab.handle("", stocked, 10.0)
    with Journal(data / "journal.sqlite") as journal:
        journal.control("Bo")
        payload = stocked.model_dump_json().encode()
        journal.record([NewEvent("", stocked.kind, payload, b"[]", 10.0, take_changes(lab), instruments="real")])


def test_a_campaign_that_can_be_carried_out_ends_with_0(tmp_path: Path) -> None:
    code, found = plan(tmp_path, "--budget", "6", "--parallel", "4")
    assert (code, found["whole"], found["experiments"]) == (0, True, 6)
    assert 25 * 60 < found["preparing_s"] < 28 * 60
    assert found["containers"] == {"vial": {"needed": 6, "there": 30}}
    impedance = next(one for one in found["stations"] if one["station"] == "impedance")
    assert impedance["busy_s"] == sum(
        one["ended_s"] - one["began_s"] for one in found["steps"] if one["station"] == "impedance"
    )
    rinse = next(one for one in found["materials"] if one["material"] == "rinse")
    assert rinse == {
        "material": "rinse", "needed": 13_500_000, "there": 57_500_000, "unit": "nL", "lasts_for": None,
        "empty_s": None,
    }  # fmt: skip

    assert not list(tmp_path.iterdir())


def test_four_at_once_are_faster_than_one(tmp_path: Path) -> None:
    one, four = (plan(tmp_path, "--budget", "6", "--parallel", n)[1]["per_experiment_s"] for n in ("1", "4"))
    assert four < 0.65 * one


def test_the_fewest_samples_in_flight_that_take_as_long_are_said(tmp_path: Path) -> None:
    code, found = plan(tmp_path, "--budget", "8", "--parallel", "5")
    assert (code, found["parallel"], found["enough_parallel"]) == (0, 5, 3)
    fewer, enough = (plan(tmp_path, "--budget", "8", "--parallel", n)[1]["makespan_s"] for n in ("2", "3"))
    assert fewer > 1.01 * found["makespan_s"] >= enough
    words = "With --parallel 3 it takes as long"
    assert words in labwright("campaign", "plan", "conductivity", "--data", tmp_path, "--parallel", "4").stdout
    assert words not in labwright("campaign", "plan", "conductivity", "--data", tmp_path, "--parallel", "3").stdout


def test_what_runs_out_is_told_with_its_time(tmp_path: Path) -> None:
    filled = from_files(read_lab(ROOT).model)
    rinse = filled.stocks["rinse-1"].model_copy(update={"count": 12_500_000})
    left(tmp_path, filled.model_copy(update={"stocks": {**filled.stocks, "rinse-1": rinse}}))
    code, found = plan(tmp_path, "--budget", "8", "--parallel", "2")
    assert (code, found["whole"], found["experiments"]) == (1, False, 5)
    need = next(one for one in found["materials"] if one["material"] == "rinse")
    assert (need["there"], need["needed"], need["lasts_for"]) == (12_000_000, 16_500_000, 5)
    assert need["empty_s"] == max(one["ended_s"] for one in found["steps"] if "/0005/" in one["step"])
    words = labwright("campaign", "plan", "conductivity", "--data", tmp_path, "--budget", "8").stdout
    assert "rinse runs empty after experiment 5, at" in words
    assert "Cannot be carried out whole: campaign conductivity: 5 of 8 experiments: " in words
    with Journal.reading(tmp_path / "journal.sqlite") as journal:
        assert journal.campaigns() == []


def test_standards_that_are_used_up_and_vials_that_are_gone_are_told(tmp_path: Path) -> None:
    filled = from_files(read_lab(ROOT).model)
    vials = {name: kind for name, kind in filled.containers.items() if not name.startswith("rack_2")}
    left(
        tmp_path, filled.model_copy(update={"containers": vials, "used_up": {"standard_weak": "c-1/cell_calibration"}})
    )
    done = labwright("campaign", "plan", "conductivity", "--data", tmp_path)
    assert done.exit_code == 1
    assert "standard_weak" in done.stdout
    assert "0 of 25 experiments" in done.stdout
    assert "25 vial needed, 19 there" in done.stdout
    simulated = labwright("campaign", "plan", "conductivity", "--data", tmp_path, "--simulated")
    assert simulated.exit_code == 0, "what is simulated in this process is full"


def test_the_drawing_can_be_read_aloud_and_the_chart_fits_a_terminal(tmp_path: Path) -> None:
    svg = tmp_path / "plan.svg"
    done = labwright("campaign", "plan", "conductivity", "--data", tmp_path, "--budget", "4", "--svg", svg)
    assert done.exit_code == 0
    drawn = ET.parse(svg).getroot()  # noqa: S314 - our own file
    ns = "{http://www.w3.org/2000/svg}"
    assert drawn.attrib["role"] == "img"
    title, description = (drawn.findtext(f"{ns}{tag}") for tag in ("title", "desc"))
    assert title == "Timeline of the stations"
    assert description is not None
    assert "40 steps" in description
    chart = [line for line in done.stdout.splitlines() if "█" in line]
    assert chart
    assert max(map(len, chart)) <= 80


def test_a_chart_shows_when_a_station_is_busy() -> None:
    lines = gantt([Bar("oven", "a", 0, 1800, "done"), Bar("arm", "b", 1800, 3600, "done")], 20)
    assert lines[:2] == ["arm   ·······███████", "oven  ███████·······"]


def test_what_ifs_stand_side_by_side(tmp_path: Path) -> None:
    words = ("--what-if", "down impedance 0-2", "--what-if", "more impedance, parallel 4")
    done = labwright("lab", "rehearse", "conductivity", "--budget", "4", "--data", tmp_path, "--json", *words)
    assert done.exit_code == 0
    as_it_is, down, more = (json.loads(line) for line in done.stdout.splitlines())
    assert as_it_is["what_if"] == "as it is"
    assert down["makespan_s"] > 7200
    assert more["makespan_s"] < as_it_is["makespan_s"]
    table = labwright("lab", "rehearse", "conductivity", "--budget", "2", "--data", tmp_path, "--what-if", "more arm")
    assert "more arm" in table.stdout


def test_a_what_if_that_is_not_understood_ends_with_3(tmp_path: Path) -> None:
    words = ("conductivity", "--data", tmp_path, "--what-if", "more hands", "--lab", ROOT)
    done = process("lab", "rehearse", *words)
    assert done.returncode == 3
    assert "hands" in done.stderr


def under_way(data: Path, budget: int, ended: int) -> str:
    """A journal in which a campaign is under way on the real deck, after so many of its steps; its id."""
    folder, name = read_lab(ROOT), "conductivity-1"
    campaign = load_campaign(folder, find_campaign(ROOT, "conductivity"), budget=budget, parallel=2)
    core, now_s, running = LabCore(layout_of(folder.model)), 1000.0, dict[str, RunStep]()
    core.instruments = "real"
    lab: Any = SimpleNamespace(clock=SimpleNamespace(now=lambda: now_s), instruments="real")
    with Journal(data / "journal.sqlite") as journal:
        journal.control("Bo")

        def feed(owner: str, event: Event) -> None:
            batch = Batch(core, lab)
            batch.take(owner, event)
            batch.grant()
            journal.record(batch.kept)
            running.update({one.order.step_id: one for one in batch.instructions if isinstance(one, RunStep)})
            if owner and core.campaigns[owner].asking:
                feed(owner, in_the_middle(owner, core.campaigns[owner].state()).model_copy(update={"uses": TAKEN}))

        feed("", from_files(folder.model))
        spec = campaign.spec.model_copy(update={"prepare": ()})
        layout = core.dispatcher.layout
        started = _started(replace(campaign, spec=spec), folder, DeckState(), layout)
        feed(name, started.model_copy(update={"campaign": name}))
        for _ in range(ended):
            step_id = next(iter(running))
            order = running.pop(step_id).order
            now_s += order.expected_s
            found = {} if order.move is not None else dict.fromkeys(core.work.of(name)[order.label].wanted, 1.0)
            outcome = StepOutcome(step_id=step_id, state="done", results=found, started_s=now_s - 1, ended_s=now_s)
            feed(name, StepEnded(outcome=outcome))
    return name


def test_campaigns_under_way_continue_beside_it(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    _, alone = plan(tmp_path / "empty", "--budget", "4", "--parallel", "2")
    name = under_way(tmp_path, budget=6, ended=4)
    code, found = plan(tmp_path, "--budget", "4", "--parallel", "2")
    assert (code, found["whole"], found["experiments"], found["notes"]) == (0, True, 4, [])
    assert found["makespan_s"] > 1.3 * alone["makespan_s"]
    (other,) = found["under_way"]
    assert other["campaign"] == name
    assert other["end_s"] > other["alone_s"] + 60
    owners = {one["step"].split("/", 1)[0] for one in found["steps"]}
    assert owners == {name, "conductivity"}
    words = labwright("campaign", "plan", "conductivity", "--data", tmp_path, "--budget", "4").stdout
    assert f"Beside it continues {name}: ends in " in words
    assert "later than alone" in words
