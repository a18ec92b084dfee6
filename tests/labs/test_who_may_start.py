"""Who may start after a campaign that failed or was interrupted, on real instruments and on simulated ones.

The lab has a station without instruments, so that it is a real lab and can be run here. Campaigns run through the
command line or a notebook, in processes of their own: one process runs one lab.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from labwright.cli.app import app
from labwright.engine.learnt import learnt_s
from labwright.journal import Journal, latching, open_latches
from tests import forks

LAB = {
    "lab_config/lab.yaml": """\
name: small
title: Small
ports: {}
devices: {}
stations: {arm: {title: Arm, devices: {}}}
labware: {vial: {title: Vial}}
positions:
  rack_[1-2]: {takes: [vial], holds: vial}
  balance: {takes: [vial], station: arm}
""",
    "protocols/__init__.py": "",
    "devices/__init__.py": "",
    "simulators/__init__.py": "",
    "protocols/weigh.py": '''\
"""A protocol without instruments."""

import os

from labwright.model.errors import DeviceError
from labwright.model.protocol import NumberParameter, NumberResult, StepSpec
from labwright.stations import LabProtocol


class Weigh(LabProtocol):
    """Fails or dies where the environment says."""

    name = "weigh"
    title = "Weigh"
    labware = "vial"
    parameters = (NumberParameter(name="x", unit="1", low=0, high=1),)
    results = (NumberResult(name="y", unit="1"),)
    steps = (
        StepSpec(name="to_balance", station="arm", expected_s=1, moves_to="balance"),
        StepSpec(name="dose", station="arm", needs=("to_balance",), expected_s=1),
        StepSpec(name="out", station="arm", needs=("dose",), expected_s=1, leaves=True),
    )

    def to_balance(self, context):
        yield from ()
        if os.environ.get("BREAK") == "to_balance":
            raise DeviceError("the gripper lost it")
        return {}

    def dose(self, context):
        yield from ()
        if os.environ.get("BREAK") == "die":
            os._exit(9)
        if os.environ.get("BREAK") == "dose":
            raise DeviceError("the pump leaks")
        return {"y": context.order.parameters["x"]}

    def out(self, context):
        yield from ()
        return {}


class Think(LabProtocol):
    """Moves nothing."""

    name = "think"
    title = "Think"
    parameters = (NumberParameter(name="x", unit="1", low=0, high=1),)
    results = (NumberResult(name="y", unit="1"),)
    steps = (StepSpec(name="think", station="arm", expected_s=1),)

    def think(self, context):
        yield from ()
        return {"y": 1.0}
''',
    "simulators/world.py": '''\
"""An empty world."""

from labwright.simulation import World


class Nothing(World):
    """Has nothing in it."""
''',
}
CAMPAIGN = """\
name: {name}
title: C
protocol: {protocol}
space: {{parameters: [{{type: real, name: x, unit: '1', low: 0, high: 1}}]}}
objective: {{name: y, goal: max, unit: '1'}}
planner: {{name: sobol}}
budget: 1
"""


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    root = tmp_path / "lab"
    for name, text in LAB.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    for name, protocol in (("a", "weigh"), ("b", "weigh"), ("t", "think")):
        campaign(root, name, protocol)
    return root


def campaign(root: Path, name: str, protocol: str = "weigh", more: str = "") -> None:
    path = root / "lab_config" / "campaigns" / f"{name}.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(CAMPAIGN.format(name=name, protocol=protocol) + more)


def python(lab: Path, code: str) -> subprocess.CompletedProcess[str]:
    return forks.python(code, lab, cwd=lab)


def labwright(lab: Path, *words: str, broken: str = "") -> subprocess.CompletedProcess[str]:
    return forks.labwright(*words, "--lab", lab, cwd=lab, env={**os.environ, "BREAK": broken})


def here(lab: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """The same in this process, which need not import everything again; for what needs no protocols."""
    line = [*words, "--lab", str(lab)]
    done = CliRunner().invoke(app, line)
    code = getattr(done.exception, "exit_code", done.exit_code)
    return subprocess.CompletedProcess(line, code, done.stdout, f"{done.stderr}{done.exception or ''}")


def run(lab: Path, name: str, *words: str, broken: str = "") -> subprocess.CompletedProcess[str]:
    return labwright(lab, "campaign", "run", name, "--no-store", *words, broken=broken)


def simulated(lab: Path, name: str, where: str = "here", times: int = 1) -> str:
    """Carry a campaign out on simulated instruments, as the journal has it; its id. This lab has none to simulate."""
    code = f"""
import sys
from pathlib import Path
from labwright.clock import LabClock
from labwright.engine import CampaignRun, load_campaign
from labwright.journal import Journal, journal_file
from labwright.lab import Lab, read_lab
root = Path(sys.argv[1]); folder = read_lab(root); data = root / "var"
path = root / "lab_config/campaigns/{name}.yaml"
with Lab(folder, LabClock(), simulated=True, instruments={where!r}) as lab, Journal(journal_file(data)) as journal:
    for _ in range({times}):
        end = CampaignRun(lab, load_campaign(folder, path, journal=journal, simulated=True), journal, data).run()
print(end.campaign)
"""
    done = python(lab, code)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def states(lab: Path) -> dict[str, str]:
    with sqlite3.connect(lab / "var" / "journal.sqlite") as connection:
        return dict(connection.execute("SELECT id, state FROM campaign").fetchall())


def questions(lab: Path) -> list[dict[str, Any]]:
    done = here(lab, "question", "list", "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_deck_in_doubt_is_a_question_about_the_deck(lab: Path) -> None:
    assert run(lab, "a", broken="dose").returncode == 1
    (failed,) = states(lab)
    (asked,) = questions(lab)
    assert asked["id"] == f"{failed}:deck"
    assert not set(asked["id"]) & set("?*[]{}$!'\" "), "a shell leaves it alone"
    for words in (
        f"sample {failed}-0001",
        "taken from rack_1",
        "location: balance",
        "step dose failed (the pump leaks)",
    ):
        assert words in asked["text"]

    # Neither a simulated campaign that ends well, nor a real one that moves nothing, says where that vial stands.
    simulated(lab, "b")
    assert run(lab, "t").returncode == 0
    refused = run(lab, "b")
    assert refused.returncode == 5
    assert "location: balance" in refused.stderr
    answer = re.search(r"labwright (question answer \S+ clear .*) --by NAME --reason TEXT", refused.stderr)
    assert answer, refused.stderr
    flag = here(lab, "campaign", "run", "b", "--deck-checked")
    assert flag.returncode == 2
    assert "labwright question" in flag.stderr
    assert len(states(lab)) == 3, "nothing was started"
    listed = here(lab, "campaign", "list", "--json").stdout.splitlines()
    assert [json.loads(line)["instruments"] for line in listed] == ["real", "here", "real"]

    shown = here(lab, "question", "list").stdout.splitlines()[-1]
    assert shown.replace("ANSWER", "clear") == f"labwright {answer[1]} --by NAME --reason TEXT"
    assert here(lab, *answer[1].split(), "--by", "Ann").returncode == 2, "and why?"
    assert here(lab, *answer[1].split(), "--by", " ", "--reason", "x").returncode == 3
    done = here(lab, *answer[1].split(), "--by", "Ann", "--reason", "taken away")
    assert done.returncode == 0, done.stderr
    again = here(lab, *answer[1].split(), "--by", "Bo", "--reason", "me too")
    assert again.returncode == 5
    assert "Ann" in again.stderr
    assert questions(lab) == []
    shown = json.loads(here(lab, "campaign", "show", failed, "--json").stdout)
    assert shown["events"][-1]["words"] == f"{failed}:deck answered by Ann: clear, reason: taken away"
    assert here(lab, "campaign", "replay", failed).returncode == 0
    assert run(lab, "b").returncode == 0


def test_an_answer_holds_for_one_failure_only(lab: Path) -> None:
    early = here(lab, "question", "answer", "a-20260101-000000-0001:deck", "clear", "--by", "A", "--reason", "r")
    assert early.returncode == 3
    run(lab, "a", broken="dose")
    (first,) = questions(lab)
    assert here(lab, "question", "answer", first["id"], "clear", "--by", "Ann", "--reason", "r").returncode == 0
    assert run(lab, "a", broken="to_balance").returncode == 1
    (second,) = questions(lab)
    assert second["id"] != first["id"]
    assert "it may be in the gripper, or already at balance" in second["text"]
    assert here(lab, "question", "answer", first["id"], "clear", "--by", "Ann", "--reason", "r").returncode == 5
    assert questions(lab) == [second]


def test_an_interrupted_campaign_is_resumed_or_given_up_by_name(lab: Path) -> None:
    assert run(lab, "a", broken="die").returncode == 9
    (interrupted,) = before = states(lab)
    for words in (("b",), ("a", "--new")):
        refused = run(lab, *words)
        assert refused.returncode == 5
        assert "labwright campaign run a" in refused.stderr
        assert states(lab) == before, "refused first, and nothing was changed"
    simulated(lab, "a")
    assert states(lab)[interrupted] == before[interrupted], "a simulated campaign of the same name leaves it alone"
    notebook = """
import sys, labwright
from labwright.model.errors import ConfigError, RefusedError
with labwright.open(sys.argv[1]) as lab:
    for name, more in (("a", {}), ("a", {"new": True}), ("b", {})):
        try:
            lab.campaign(name).run(**more)
        except RefusedError as error:
            print(str(error).replace("\\n", " "))
    try:
        lab.campaign("b").run(deck_checked=True)
    except ConfigError as error:
        print(error)
    for question in lab.questions:
        print(question)
"""
    done = python(lab, notebook)
    assert done.returncode == 0, done.stderr
    first, second, third, flag, *asked = done.stdout.splitlines()
    assert "resume it with: labwright campaign run a" in first
    assert "location: balance" in second
    assert "location: balance" in third
    assert "lab.answer(ID" in flag
    assert f"{interrupted}:deck" in asked[0]
    assert states(lab)[interrupted] == before[interrupted]
    assert run(lab, "a").returncode == 0
    assert states(lab)[interrupted] == "completed"


def test_a_stopped_campaign_does_not_continue_after_a_reset(lab: Path) -> None:
    """Its controller latched the instruments, and died before it recorded that the campaign was asked to stop."""
    assert run(lab, "a", broken="die").returncode == 9
    (stopped,) = states(lab)
    with Journal(lab / "var" / "journal.sqlite") as journal:
        journal.control("a test")
        journal.writer.transact(latching("real", stopped, "Ann", "it smells"))
    refused = run(lab, "a")
    assert refused.returncode == 5
    assert here(lab, "reset", "--by", "Bo", "--reason", "aired").returncode == 0
    ended = run(lab, "a")
    assert (ended.returncode, states(lab)) == (130, {stopped: "stopped"}), ended.stderr
    shown = json.loads(here(lab, "campaign", "show", stopped, "--json").stdout)
    assert shown["reason"] == "stopped by Ann: it smells"
    (asked,) = questions(lab)
    assert asked["id"] == f"{stopped}:deck"
    with Journal(lab / "var" / "journal.sqlite") as journal:
        assert open_latches(journal) == [], "it is the stop that was reset, and no second one"


def test_who_answers_for_the_deck_gives_the_interrupted_campaign_up(lab: Path) -> None:
    run(lab, "a", broken="die")
    (interrupted,) = states(lab)
    code = """
import sys, labwright
with labwright.open(sys.argv[1]) as lab:
    (question,) = lab.questions
    assert "given up" in question.choices["clear"]
    lab.answer(question.id, "clear", by="Ann", reason="took it away")
    result = lab.campaign("b").run()
    print(result.end.state)
    print(list(result.table.index), list(result.table.columns), result.table["ended (UTC)"].notna().all())
"""
    done = python(lab, code)
    assert done.returncode == 0, done.stderr
    state, table = done.stdout.splitlines()
    assert state == "completed"
    assert table.startswith(
        "['0001'] ['x', 'y', 'y_sem', 'started (UTC)', 'ended (UTC)', 'status', 'use', 'deviations', 'notes'] True"
    )
    assert "1/1" in done.stderr, "a line per experiment"
    assert states(lab)[interrupted] == "stopped"
    refused = run(lab, "a")
    assert refused.returncode == 5, "both vials are used"
    assert "0 are left at the real instruments" in refused.stderr
    words = ("inventory", "count", "--from-file", "--by", "Ann", "--reason", "two fresh vials")
    counted = labwright(lab, *words)
    assert counted.returncode == 0, counted.stderr
    assert run(lab, "a").returncode == 0, "it starts anew"
    assert len(states(lab)) == 3


def test_a_real_campaign_learns_from_no_simulated_one_unless_it_says_so(lab: Path) -> None:
    old = simulated(lab, "b")
    campaign(lab, "real", more="warm_start: [b]\n")
    text = (lab / "lab_config/campaigns/real.yaml").read_text().replace("sobol", "gp")
    (lab / "lab_config/campaigns/real.yaml").write_text(text)
    refused = run(lab, "real")
    assert refused.returncode == 3
    assert (
        "lab_config/campaigns/real.yaml:8:14: warm_start.0: b was carried out on SIMULATED instruments only"
        in refused.stderr
    )
    assert "{campaign: b, simulated: true}" in refused.stderr

    (lab / "lab_config/campaigns/real.yaml").write_text(text.replace("[b]", "[{campaign: b, simulated: true}]"))
    checked = labwright(lab, "check")
    assert checked.returncode == 0, checked.stderr
    assert "campaign real learns from b on SIMULATED instruments" in checked.stderr
    done = run(lab, "real")
    assert done.returncode == 0, done.stderr
    facts = json.loads(here(lab, "campaign", "show", "real", "--json").stdout)
    assert facts["learns_from"] == [{"campaign": old, "simulated": True}]
    assert f"the planner learns from {old} (SIMULATED instruments)" in facts["events"][0]["words"]
    assert "SIMULATED" in (lab / "var" / "report.html").read_text()

    # And the reverse: what was real is named as such, or it is not used.
    (lab / "lab_config/campaigns/real.yaml").write_text(text.replace("[b]", "[{campaign: b, simulated: false}]"))
    refused = run(lab, "real")
    assert "b was never carried out on real instruments, only on SIMULATED instruments" in refused.stderr


def test_what_a_simulation_took_is_not_expected_of_real_steps(lab: Path) -> None:
    simulated(lab, "t", times=3)
    with Journal(lab / "var" / "journal.sqlite") as journal:
        assert list(learnt_s(journal, ["think"], simulated=True)) == ["think/think"]
        assert learnt_s(journal, ["think"], simulated=False) == {}
