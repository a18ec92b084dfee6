"""Types end to end: a campaign over solvent, catalyst, temperature and time, one over a flag, on simulated wires."""

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from labwright.engine import replayed
from labwright.engine.events import RunStep
from labwright.journal import Journal, closed_runs, read_run, schema
from labwright.model.campaign import CampaignState
from labwright.planners import load_planner
from labwright.report import read_record
from tests.forks import labwright, start

LAB = Path(__file__).parent / "solvents"
WHO = ("--by", "Ann", "--reason", "a hunch")


@dataclass
class Made:
    """What is left of a campaign in which one suggestion was infeasible, one vetoed, and one sample asked about."""

    data: Path
    campaign: str
    question: dict[str, Any]

    def ask(self, *words: str) -> subprocess.CompletedProcess[str]:
        return labwright(*words, "--data", self.data)

    @property
    def shown(self) -> dict[str, Any]:
        facts: dict[str, Any] = json.loads(self.ask("campaign", "show", self.campaign, "--json").stdout)
        return facts


def until(found: Callable[[], Any]) -> Any:
    while not (one := found()):
        time.sleep(0.02)
    return one


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    lab, data = tmp_path_factory.mktemp("labs") / "solvents", tmp_path_factory.mktemp("data")
    shutil.copytree(LAB, lab)
    simulation = lab / "lab_config" / "simulation.yaml"
    simulation.write_text(simulation.read_text().replace("topic: lab/analyser}", "topic: lab/analyser, lamp_off: 3}"))
    run = start(
        *("campaign", "run", "esters", "--lab", lab, "--simulated", "--no-store", "--data", data),
        *("--seed", "2", "--budget", "5", "--json"),
    )
    try:
        assert run.stdout is not None
        asked = None
        for line in run.stdout:
            if (event := json.loads(line)).get("kind") == "step_ended" and event["outcome"]["state"] == "failed":
                break
        with Journal.reading(data / "journal.sqlite") as journal:
            asked = dict(until(lambda: journal.rows(schema.question))[0])
        here = ("--data", data, *WHO)
        good = ("solvent=MeCN", "catalyst=acid", "temperature=70", "time=20")
        for values in (("solvent=DMC", *good[1:]), good):
            assert labwright("campaign", "suggest", "esters", *values, *here).returncode == 0
        wrong = labwright("campaign", "suggest", "esters", "solvent=DCM", *good[1:], *here)
        assert wrong.returncode == 3
        assert "solvent: no level 'DCM'; did you mean 'DMC'?" in wrong.stderr
        wrong = labwright("campaign", "suggest", "esters", "solvent=DMC", "catalyst=base", *good[2:], *here)
        assert wrong.returncode == 5
        assert "The base precipitates in DMC." in wrong.stderr
        assert "nearest that can be made: solvent=DMC, catalyst=acid" in wrong.stderr
        assert labwright("campaign", "veto", "esters", "p2", *here).returncode == 0
        assert labwright("campaign", "veto", "esters", "solvent=PC", "catalyst=base", *here).returncode == 0
        assert labwright("question", "answer", asked["id"], "again", *here).returncode == 0
        _, words = run.communicate(timeout=60)
        assert run.returncode == 0, words
    finally:
        run.kill()
        run.communicate()
    return Made(data, asked["campaign"], asked)


def test_all_kinds_of_results_come_back_and_are_shown(made: Made) -> None:
    facts = made.shown
    assert facts["fixed"] == {"stirrer": 300, "rinse": True, "note": "batch 7"}
    assert len(facts["experiments"]) == 5
    for one in facts["experiments"]:
        found = one["results"]
        assert set(one["parameters"]) == {"solvent", "catalyst", "temperature", "time"}
        assert found["phase"] == "clear"
        assert found["boiled"] is False
        assert found["crystals"] == int(found["ester"] // 10)
        assert [len(row) for row in found["spectrum"]] == [2, 2, 2, 2]
        assert found["water"] == pytest.approx(100 * 100 / 960, abs=0.1), "the rinse has gone through its own port"
        picture = made.data / found["picture"]["uri"]
        assert picture.read_bytes() == b"P5 1 1 255\n" + bytes([round(2.55 * found["ester"])])
    text = made.ask("campaign", "show", made.campaign).stdout
    for words in ("ester / %", "4 x 2 numbers", "image/x-portable-graymap", "clear", "false", "note batch 7"):
        assert words in text
    best = max(facts["experiments"], key=lambda one: one["results"].get("ester", -1))
    assert facts["best_experiment"] == best["experiment"]
    for words in (f"% in experiment {best['experiment']}", f"solvent {best['parameters']['solvent']}, "):
        assert words in text
    assert re.search(r"temperature [\d.]+ degC", text)
    row = json.loads(made.ask("campaign", "list", "--json").stdout)
    assert row["best"] == max(one["results"]["ester"] for one in facts["experiments"])


def test_solvents_and_catalysts_differ_as_the_world_has_it(made: Made) -> None:
    found = {(one["parameters"]["solvent"], one["parameters"]["catalyst"]) for one in made.shown["experiments"]}
    assert len({solvent for solvent, _ in found}) > 1
    with Journal.reading(made.data / "journal.sqlite") as journal:
        record = read_record(journal, made.campaign)
    orders = {label: dict[str, Any]() for label, _ in record.steps}
    for run in closed_runs(made.data / "runs"):
        documents = read_run(run)
        told = documents[0][1]["labwright"]
        orders[told["label"]] |= told["parameters"]
    for label, given in orders.items():
        trial = next(one for one in record.done if one.id == label)
        assert given == {**trial.params, "stirrer": 300, "rinse": True, "note": "batch 7"}
        assert [type(given[name]) for name in ("temperature", "time", "stirrer", "rinse")] == [float, float, int, bool]
        assert trial.outcomes["ester"].sem == 0.5
        assert trial.measured_params == {"temperature": record.results()[label]["reached"]}
    levels = record.core.spec.space.parameters[0]
    assert getattr(levels, "descriptors", None) == {
        "DMC": {"epsilon": 3.1}, "PC": {"epsilon": 64.9}, "MeCN": {"epsilon": 37.5},
    }  # fmt: skip


def test_the_report_shows_levels_and_all_results(made: Made) -> None:
    page = next((made.data / "reports").glob("*.html")).read_text()
    for words in (
        "model along solvent", "model along catalyst", "model along time", "Fixed: stirrer 300, rinse true, note",
        "<td>4 x 2 numbers</td>", "<td>clear</td>", "<td>false</td>", '<th scope="col">crystals</th>', ">MeCN</text>",
    ):  # fmt: skip
        assert words in page, words


def test_replay_agrees_and_the_planner_explains(made: Made) -> None:
    done = made.ask("campaign", "replay", made.campaign)
    assert done.returncode == 0, done.stderr + done.stdout
    assert "all agree" in done.stderr
    learnt = json.loads(made.ask("planner", "explain", made.campaign, "--json").stdout)
    assert {one["parameter"] for one in learnt["sensitivities"]} == {"solvent", "catalyst", "temperature", "time"}


def test_an_experiment_has_one_number_everywhere(made: Made) -> None:
    """Whatever was infeasible, vetoed or withdrawn in between: it has an id of its own, and shifts no number."""
    numbers = [f"{number:04d}" for number in range(1, 6)]
    with Journal.reading(made.data / "journal.sqlite") as journal:
        events = list(replayed(journal, made.campaign))
        core = events[-1][-1]
        tables = {
            "experiment": [row["label"] for row in journal.rows(schema.experiment, order=schema.experiment.c.label)],
            "trial": [row["label"] for row in journal.rows(schema.trial, order=schema.trial.c.n) if row["label"]],
            "step": sorted({row["label"] for row in journal.rows(schema.step)}),
            "intent": sorted({row["label"] for row in journal.rows(schema.intent)}),
            "observation": sorted({row["label"] for row in journal.rows(schema.observation)}),
        }
        samples = {row["label"]: row["sample"] for row in journal.rows(schema.experiment)}
        steps = {row["step_id"]: row["label"] for row in journal.rows(schema.step)}
    assert tables == dict.fromkeys(tables, numbers)
    others = [one for one in core.trials if one.id not in numbers]
    assert {one.status for one in others} == {"failed", "abandoned"}, "infeasible ones and a vetoed one"
    assert [one.id for one in others] == [f"p{n}" for n in range(1, len(core.trials) + 1) if f"p{n}" in
                                          {one.id for one in others}]  # fmt: skip
    assert samples == {number: f"{made.campaign}-{number}" for number in numbers}
    assert all(step.split("/")[1] == label for step, label in steps.items())
    orders = [one.order for _, _, instructions, _ in events for one in instructions if isinstance(one, RunStep)]
    assert {(one.experiment, one.label, one.sample) for one in orders} == {
        (int(number), number, samples[number]) for number in numbers
    }
    assert made.question["label"] == "0003"
    assert "0003" in made.question["text"]
    assert made.question["step_id"] == f"{made.campaign}/0003/analyse"
    params = {one.id: one.params for one in core.trials}
    for one in made.shown["experiments"]:
        assert one["parameters"] == params[one["experiment"]]
    told = {read_run(run)[0][1]["sample"] for run in closed_runs(made.data / "runs")}
    assert told == set(samples.values())
    page = next((made.data / "reports").glob("*.html")).read_text()
    rows = re.findall(
        r'<th scope="row">([^<]+)</th><td>([^<]+)</td><td>([^<]+)</td>', page[page.index("Every experiment") :]
    )
    assert rows == [(one.id, one.params["solvent"], one.params["catalyst"]) for one in core.trials]
    state = CampaignState.model_validate_json(core.state().model_dump_json())
    best = load_planner(state.planner).best(state)
    assert best is not None
    assert best.trial_id in numbers
    assert core.trials[[one.id for one in core.trials].index(best.trial_id)].outcomes["ester"].mean > 60


def test_the_experiments_are_exported_with_all_results(made: Made, tmp_path: Path) -> None:
    to = tmp_path / "esters.csv"
    assert made.ask("campaign", "export", made.campaign, str(to)).returncode == 0
    rows = pd.read_csv(to, dtype={"experiment": str}).set_index("experiment")
    assert [one for one in rows.index if one.isdigit()] == [f"{number:04d}" for number in range(1, 6)]
    for one in made.shown["experiments"]:
        row, found = rows.loc[one["experiment"]], one["results"]
        assert (row["solvent"], row["time / min"]) == (one["parameters"]["solvent"], one["parameters"]["time"])
        assert (row["ester / %"], row["ester_sem / %"]) == (pytest.approx(found["ester"]), 0.5)
        assert (row["phase"], bool(row["boiled"]), row["picture"]) == ("clear", False, found["picture"]["uri"])
        assert json.loads(row["spectrum"]) == found["spectrum"]
        assert row["status"] == "done"
    assert set(rows.loc[[one for one in rows.index if one.startswith("p")], "status"]) == {"failed", "abandoned"}
    assert made.ask("campaign", "export", made.campaign, str(tmp_path / "esters.ods")).returncode == 2


NOTEBOOK = """
import sys, labwright
from io import StringIO
import pandas as pd
with labwright.open(sys.argv[1], simulated=True, data=sys.argv[2]) as lab:
    found = lab.campaign("stirring").run(progress=False)
    table = found.table
    print(pd.read_csv(StringIO(table.to_csv()), dtype={"experiment": str}).to_json(orient="records"))
    print({column: str(kind) for column, kind in table.dtypes.items()})
    print(len(table["spectrum"].iloc[0]), type(table["rinse"].iloc[0]).__name__)
"""


def test_a_flag_is_searched_and_a_notebooks_table_has_all_results(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", NOTEBOOK, LAB, tmp_path], capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stderr
    rows, kinds, last = done.stdout.splitlines()
    table = {one["experiment"]: one for one in json.loads(rows)}
    assert sorted(table) == ["0001", "0002", "0003", "0004"]
    tried = {(one["stirrer / rpm"], one["rinse"], one["solvent"]) for one in table.values()}
    assert tried == {(100, True, "PC"), (300, False, "PC"), (500, True, "MeCN"), (900, False, "MeCN")}
    for one in table.values():
        assert (one["water / %"] > 5) == one["rinse"], "the flag reaches the plan"
        assert one["picture"].startswith("files/")
        assert (tmp_path / one["picture"]).is_file()
        assert (one["phase"], one["boiled"], one["ester_sem / %"]) == ("clear", False, 0.5)
    assert "'crystals': 'int64'" in kinds
    assert last == "4 bool"


@pytest.mark.parametrize(
    ("file", "old", "new", "says"),
    [
        ("esters", "levels: [acid, base]", "levels: [acid, bass]", r":8:\d+: .*no level 'bass'; did you mean 'base'\?"),
        (
            "esters",
            "{type: ordinal, name: time,",
            "{type: real, name: time, low: 5, high: 9,",
            r":10:.*use type ordinal",
        ),
        ("esters", "rinse: true", "rinse: 1", r":13:\d+: fixed.rinse: rinse = 1 is not true or false"),
        ("esters", "note: batch 7", "note: 7", r":13:\d+: fixed.note: note = 7 is not text; put it in quotes"),
        (
            "esters",
            ", note: batch 7",
            "",
            r":5:1: parameter 'note' of reaction is neither searched nor fixed; search it",
        ),
        ("esters", "stirrer: 300", "stirrer: 300.5", r":13:\d+: fixed.stirrer: stirrer = 300.5 is not a whole number"),
        (
            "esters",
            "name: ester, goal: max",
            "name: crystals, goal: max",
            r":14:.*crystals is of type integer; only a num",
        ),
        ("esters", "name: water, unit", "name: phase, unit", r":16:.*phase is of type choice; only a number"),
        (
            "stirring",
            "{type: flag, name: rinse}",
            "{type: integer, name: rinse, low: 0, high: 1}",
            r":7:.*use type flag",
        ),
        (
            "stirring",
            "{type: integer, name: stirrer,",
            "{type: real, name: stirrer,",
            r":8:.*stirrer is a whole number",
        ),
        (
            "stirring",
            "{type: flag, name: rinse}",
            "{type: flag, name: note}",
            r":7:.*note is a text, which cannot be sea",
        ),
    ],
)
def test_what_does_not_fit_the_types_is_told_with_its_line(
    tmp_path: Path, file: str, old: str, new: str, says: str
) -> None:
    lab = tmp_path / "lab"
    shutil.copytree(LAB, lab)
    campaign = lab / "lab_config" / "campaigns" / f"{file}.yaml"
    text = campaign.read_text()
    assert old in text
    campaign.write_text(text.replace(old, new))
    done = labwright("check", "--lab", lab)
    assert done.returncode == 3
    assert re.search(rf"campaigns/{file}\.yaml{says}", done.stderr), done.stderr


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('levels=("acid", "base")', 'levels=("acid")', r"ChoiceParameter: levels: must be a list, not 'acid'\n"),
        (
            "low=30, high=85",
            "low=90, high=85",
            r"reaction\.py:\d+: NumberParameter: .*low 90 is not below high 85",
        ),
        (
            'measures="temperature"',
            'measures="temprature"',
            r"reached: measures: .*did you mean 'temperature'\?",
        ),
    ],
)
def test_a_declaration_that_means_nothing_is_told_in_words(tmp_path: Path, old: str, new: str, says: str) -> None:
    lab = tmp_path / "lab"
    shutil.copytree(LAB, lab)
    protocol = lab / "protocols" / "reaction.py"
    text = protocol.read_text()
    assert old in text
    protocol.write_text(text.replace(old, new))
    done = labwright("check", "--lab", lab)
    assert done.returncode == 3
    assert re.search(says, done.stderr), done.stderr
    assert "pydantic" not in done.stderr


def test_planners_are_compared_by_the_truth_of_levels_and_flags() -> None:
    done = labwright("planner", "compare", "stirring", "--planners", "random", "--seeds", "1", "--lab", LAB, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["planner"] == "random"


def test_it_has_no_mistakes() -> None:
    assert labwright("check", "--lab", LAB).returncode == 0
