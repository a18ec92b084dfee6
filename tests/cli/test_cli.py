"""The command line as a person and a program meet it."""

import json
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.main import get_command
from typer.testing import CliRunner

from labwright.cli.app import app
from labwright.simulation.control import ask
from tests.forks import labwright, start

ROOT = Path(__file__).parents[2]


def verbs(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, one in sorted(getattr(command, "commands", {}).items()):
        if hasattr(one, "commands"):
            yield from verbs(one, (*path, name))
        else:
            yield (*path, name)


ALL = list(verbs(get_command(app)))


def test_there_are_the_verbs_the_manual_lists() -> None:
    assert {" ".join(verb) for verb in ALL} == {
        "audit list", "audit trace", "audit verify",
        "campaign drain", "campaign export", "campaign extend", "campaign list", "campaign pause", "campaign plan",
        "campaign replay",
        "campaign resume",
        "campaign run", "campaign show", "campaign stop", "campaign submit", "campaign suggest", "campaign veto",
        "campaign watch", "check", "demo", "doctor", "fault add", "fault clear", "fault list", "init",
        "journal migrate", "lab migrate", "lab rehearse",
        "inventory adjust", "inventory count", "inventory export", "inventory forecast", "inventory import",
        "inventory labels", "inventory list", "inventory move", "inventory quarantine", "inventory receive",
        "inventory release", "sample dispose", "sample lineage", "sample list", "sample quarantine", "sample release",
        "sample show",
        "request abort", "request approve", "request cancel", "request close", "request fetch", "request list",
        "request new", "request receive", "request reject", "request return", "request show", "request submit",
        "request validate", "request wait", "request link", "request links", "mcp",
        "person add", "person disable", "person invite", "person list", "person roles", "person show",
        "project add", "project join", "project leave", "project list", "project quota", "project show",
        "key list", "key make", "key revoke",
        "webhook add", "webhook enable", "webhook list", "webhook notices", "webhook remove",
        "data-class grant", "data-class set", "data-class show", "data-class take-back",
        "deviation close", "deviation list", "deviation open", "deviation show",
        "note list", "note replace", "note write",
        "planner compare", "planner explain", "planner list", "question answer", "question list", "report", "reset",
        "run export", "run list", "run show", "schema", "serve", "simulate", "station book", "station bookings",
        "station list", "station read",
        "station set", "station show", "station test", "station unbook", "status", "stop", "store sync", "store verify",
    }  # fmt: skip


@pytest.mark.parametrize("verb", ALL, ids=" ".join)
def test_every_verb_has_help_in_a_sentence(verb: tuple[str, ...]) -> None:
    command: Any = get_command(app)
    for name in verb:
        command = command.commands[name]
    assert isinstance(app, typer.Typer)
    assert re.match(r"[A-Z].+\.", command.help), f"{verb} has no help"
    for parameter in command.params:
        if parameter.param_type_name == "option" and parameter.name != "help":
            assert parameter.help, f"{verb} --{parameter.name} has no help"


def test_no_option_reads_numbers_loosely() -> None:
    loose = []
    for verb in ALL:
        command: Any = get_command(app)
        for name in verb:
            command = command.commands[name]
        for one in command.params:
            numeric = re.search("int|float", str(one.type_descriptor.annotation)) if one.name != "help" else None
            if numeric and one.type_descriptor.parameter_info.parser is None:
                loose.append((verb, one.name))
    assert loose == [], "typer's own types take 1_0, nan and digits of other scripts"


@pytest.mark.parametrize("text", ["1_0", "0x10", "1e400", "nan", "inf", "\uff11\uff10", "1,5", ""])
def test_a_number_that_is_written_otherwise_is_a_usage_error(text: str) -> None:
    for words in (
        ("demo", "--budget", text),
        ("campaign", "run", "x", "--speed", text),
        ("fault", "add", "d", "k", "--value", text),
    ):
        done = CliRunner().invoke(app, [*words])
        assert done.exit_code == 2, words
        assert "number" in done.output


def test_every_verb_stands_in_the_docs() -> None:
    text = (ROOT / "docs" / "reference" / "cli.md").read_text()
    for verb in ALL:
        assert f"`labwright {' '.join(verb)}" in text


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from labwright.cli.app import app; "
        "print([m for m in ('numpy', 'bluesky', 'ophyd', 'skopt', 'tiled', 'rich', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_check_says_what_there_is() -> None:
    done = labwright("check", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["protocols"] == ["cell_calibration", "electrolyte_conductivity"]
    assert (found["stations"], found["devices"]) == (4, 16)


@pytest.fixture(scope="module")
def new_lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("labs") / "mine"
    done = labwright("init", folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.long
def test_a_new_lab_passes_its_own_tests(new_lab: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"], cwd=new_lab, capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stdout
    assert "5 passed" in done.stdout


@pytest.mark.long
def test_a_new_lab_has_no_mistakes_for_mypy(new_lab: Path) -> None:
    config = new_lab / "mypy.ini"
    ours = "[mypy]\nstrict = True\ndisallow_subclassing_any = False\nwarn_return_any = False\n"
    config.write_text(ours + "[mypy-ophyd.*]\nignore_missing_imports = True\n")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "devices", "protocols", "simulators"],
        cwd=new_lab,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout


@pytest.fixture
def copied_lab(tmp_path: Path) -> Path:
    """The reference lab, to make mistakes in."""
    for name in ("lab_config", "devices", "protocols", "simulators"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    return tmp_path


def edit(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)


def test_classes_that_cannot_be_imported_are_told_together(copied_lab: Path) -> None:
    edit(
        copied_lab / "lab_config" / "devices.yaml",
        ("devices.ne1000:SyringePump", "devices.ne1000:SyringPump"),
        ("devices.vici:", "devices.vicky:"),
        ("baud: 19200", "bauds: 19200"),
    )
    done = labwright("check", cwd=copied_lab)
    assert done.returncode == 3
    assert "3 mistakes found; nothing was started" in done.stderr
    assert "did you mean 'SyringePump'?" in done.stderr
    assert "devices.vicky" in done.stderr
    assert "did you mean 'baud'?" in done.stderr
    assert len(re.findall(r"devices\.yaml:\d+:\d+", done.stderr)) == 3


def test_a_campaign_that_does_not_fit_its_protocol_is_refused(copied_lab: Path) -> None:
    edit(
        copied_lab / "lab_config" / "campaigns" / "conductivity.yaml",
        ("unit: mol/kg", "unit: mol/l"),
        ("low: 0.30, high: 0.50", "low: -0.1, high: 0.50"),
        ("temperature: 27.0", "temperature: 500"),
        ("goal: max, unit: mS/cm", "goal: max, unit: S/m"),
    )
    done = labwright("check", cwd=copied_lab)
    assert done.returncode == 3
    assert "4 mistakes found" in done.stderr
    for words in (
        "molality is in 'mol/kg', not in 'mol/l'",
        "ec_fraction = -0.1 is outside 0.3 to 0.5, as electrolyte_conductivity declares it",
        "temperature = 500 degC is outside 25 to 60 degC, as electrolyte_conductivity declares it",
        "conductivity is in 'mS/cm', not in 'S/m'",
    ):
        assert words in done.stderr


def test_a_wrong_lab_hides_no_mistake_in_its_campaigns(copied_lab: Path) -> None:
    edit(copied_lab / "lab_config" / "devices.yaml", ("baud: 19200", "bauds: 19200"))
    edit(
        copied_lab / "lab_config" / "campaigns" / "conductivity.yaml",
        ("budget: 25", "budgt: 25"),
        ("seed: 1", "seed: -1"),
    )
    done = labwright("check", cwd=copied_lab)
    assert done.returncode == 3
    assert "3 mistakes found; nothing was started" in done.stderr
    for words in ("did you mean 'baud'?", "did you mean 'budget'?", "greater than or equal to 0, not -1"):
        assert words in done.stderr


def test_mistakes_in_form_and_sense_of_a_campaign_come_together(copied_lab: Path) -> None:
    edit(
        copied_lab / "lab_config" / "campaigns" / "conductivity.yaml",
        ("name: conductivity", "name: conductance"),
        ("budget: 25", "budgt: 25"),
        ("unit: mol/kg", "unit: mol/l"),
        ("planner: {name: gp}", "planner: {name: gq}"),
    )
    done = labwright("check", cwd=copied_lab)
    assert "4 mistakes found" in done.stderr
    for words in (
        "called like its file, 'conductivity', not 'conductance'",
        "did you mean 'budget'?",
        "in 'mol/kg', not in 'mol/l'",
        "did you mean 'gp'?",
    ):
        assert words in done.stderr


def test_goals_limits_and_costs_that_do_not_fit_are_told_with_their_line(copied_lab: Path) -> None:
    campaign = copied_lab / "lab_config" / "campaigns" / "conductivity.yaml"
    more = (
        "more_objectives:\n  - {name: mas, goal: min, unit: g}\n"
        "outcome_limits:\n  - {name: cell_temperature, unit: K, high: 30}\n"
        "cost: {unit: min, base: 20, per: {molarity: 1}}\n"
        "fidelity: {parameter: dmc_share, target: 2}\n"
        "stop: {regret_below: 0.1}\n"
    )
    edit(campaign, ("planner: {name: gp}", f"{more}planner: {{name: sobol}}"))
    done = labwright("check", cwd=copied_lab)
    assert done.returncode == 3
    for words in (
        r"conductivity\.yaml:17:12: more_objectives\.0\.name: no result of electrolyte_conductivity 'mas'; did",
        r"conductivity\.yaml:19:36: outcome_limits\.0\.unit: cell_temperature is in 'degC', not in 'K'",
        r"conductivity\.yaml:20:45: cost\.per\.molarity: no numeric parameter of the space 'molarity'",
        r"conductivity\.yaml:21:42: fidelity\.target: dmc_share = 2",
    ):
        assert re.search(words, done.stderr), done.stderr


def test_a_planner_that_does_not_do_is_a_mistake_of_the_file(copied_lab: Path) -> None:
    edit(
        copied_lab / "lab_config" / "campaigns" / "conductivity.yaml",
        ("planner: {name: gp}", "cost: {unit: min, base: 20}\nplanner: {name: random}"),
    )
    done = labwright("check", cwd=copied_lab)
    assert done.returncode == 3
    assert re.search(r"conductivity\.yaml:17:\d+: planner: planner 'random' takes no account of cost", done.stderr)


@pytest.mark.skipif(find_spec("baybe") is not None, reason="the planner is installed here")
def test_a_planner_that_is_not_installed_is_a_mistake_of_the_file_too(copied_lab: Path) -> None:
    edit(
        copied_lab / "lab_config" / "campaigns" / "conductivity.yaml", ("planner: {name: gp}", "planner: {name: baybe}")
    )
    done = labwright("check", cwd=copied_lab)
    assert done.returncode == 3
    assert re.search(r"conductivity\.yaml:\d+:\d+: .*pip install 'labwright\[baybe\]'", done.stderr)


def test_init_overwrites_nothing(new_lab: Path) -> None:
    done = labwright("init", new_lab)
    assert done.returncode == 3
    assert "not empty; nothing was written" in done.stderr


def test_mistakes_end_with_3_and_come_as_json(new_lab: Path, tmp_path: Path) -> None:
    lab = tmp_path / "wrong"
    shutil.copytree(new_lab, lab, ignore=shutil.ignore_patterns("__pycache__", ".mypy_cache"))
    path = lab / "lab_config" / "devices.yaml"
    path.write_text(path.read_text().replace("devices.heater:Heater", "devices.heater:Heeter").replace("baud", "bauds"))
    done = labwright("check", "--json", cwd=lab)
    assert done.returncode == 3
    first = json.loads(done.stdout.splitlines()[0])
    assert (first["file"], first["line"]) == ("lab_config/devices.yaml", 2)
    assert "did you mean 'baud'?" in first["message"]
    path.write_text(path.read_text().replace("bauds", "baud"))
    done = labwright("check", cwd=lab)
    assert done.returncode == 3
    assert "no class 'Heeter'; did you mean 'Heater'?" in done.stderr
    assert "lab_config/devices.yaml:5:" in done.stderr


def test_unknown_names_end_with_3_and_a_hint() -> None:
    done = labwright("campaign", "run", "conductivty", "--simulated")
    assert done.returncode == 3
    assert "did you mean 'conductivity'?" in done.stderr
    done = labwright("station", "test", "dosin", "--simulated")
    assert done.returncode == 3
    assert "did you mean 'dosing'?" in done.stderr
    done = labwright("campaign", "run", "conductivity", "--simulated", "--planner", "sobl")
    assert done.returncode == 3
    assert "did you mean 'sobol'?" in done.stderr


def test_a_lab_without_its_instruments_ends_with_4() -> None:
    done = labwright("station", "test", "dosing")
    assert done.returncode == 4
    assert "11 devices cannot be reached; nothing was moved" in done.stderr
    assert "arm" not in done.stderr  # another station's
    assert "  port 'pumps' (serial:/dev/serial/by-id/labwright-pumps) cannot be opened: No such file" in done.stderr
    assert "\n    pump_1\n    pump_2\n" in done.stderr


def test_no_place_for_a_journal_ends_with_5_before_anything_is_opened(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    done = labwright("campaign", "run", "conductivity", "--data", tmp_path / "file")
    assert done.returncode == 5
    assert "cannot write the journal in" in done.stderr
    assert "nothing was started" in done.stderr
    assert "reached" not in done.stderr  # the instruments were not even tried


def test_a_full_disk_ends_with_5_before_anything_is_opened(tmp_path: Path) -> None:
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "tmpfs", tmp_path], capture_output=True)
    if mounted.returncode:
        pytest.skip(f"mounting a small file system needs root: {mounted.stderr.decode().strip()}")
    try:
        done = labwright("campaign", "run", "conductivity", "--simulated", "--data", tmp_path)
    finally:
        subprocess.run(["umount", tmp_path], check=True)
    assert done.returncode == 5
    assert "0.4 MB free, the journal of 1 experiments may need 21 MB; nothing was started" in done.stderr


def test_a_folder_without_runs_is_said_to_be_one(tmp_path: Path) -> None:
    for verb in (["run", "list"], ["report", "conductivity"], ["store", "verify"]):
        done = labwright(*verb, "--data", tmp_path / "nowhere")
        assert done.returncode == 3
        assert "no campaign was run there yet" in done.stderr
    assert not (tmp_path / "nowhere").exists()
    done = labwright("report", "conductivity", "--data", tmp_path)
    assert done.returncode == 3
    assert "has no journal" in done.stderr


def test_the_version_is_told() -> None:
    assert re.fullmatch(r"labwright \d+\.\d+\.\d+\n", labwright("--version").stdout)


def test_with_json_an_error_is_an_object_as_well(tmp_path: Path) -> None:
    done = labwright("run", "list", "--data", tmp_path / "nowhere", "--json")
    assert done.returncode == 3
    told = json.loads(done.stdout)
    assert (told["error"], told["exit_code"]) == ("ConfigError", 3)
    assert "no campaign was run there yet" in told["message"]


def test_a_file_that_cannot_be_written_is_told_in_words(demo: tuple[Path, Any], tmp_path: Path) -> None:
    data, _ = demo
    done = labwright("report", "conductivity", "--data", data, "--out", tmp_path / "no" / "such" / "folder.html")
    assert done.returncode == 1
    assert done.stderr.startswith("labwright: ")
    assert "No such file or directory" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_campaign_whose_reader_goes_away_goes_on(new_lab: Path, tmp_path: Path) -> None:
    words = ("campaign", "run", "first", "--simulated", "--json", "--no-store", "--data", tmp_path, "--lab", new_lab)
    one = start(*words)
    assert one.stdout is not None
    assert one.stderr is not None
    assert json.loads(one.stdout.readline())["kind"] == "started"
    one.stdout.close()
    with one.stderr as stderr:
        text = stderr.read()
    assert one.wait(60) == 0, text
    assert "no process reads standard output any more; the campaign continues" in text
    assert (tmp_path / "report.html").exists()


def test_a_lab_is_found_from_inside_it(new_lab: Path) -> None:
    done = labwright("check", "--json", cwd=new_lab / "devices")
    assert json.loads(done.stdout)["lab"] == "mine"


def test_mistakes_in_the_labs_code_are_told_with_their_place(new_lab: Path, tmp_path: Path) -> None:
    lab = tmp_path / "wrong"
    shutil.copytree(new_lab, lab, ignore=shutil.ignore_patterns("__pycache__", ".mypy_cache"))
    driver, protocol = lab / "devices" / "heater.py", lab / "protocols" / "warm_up.py"
    good_driver, good_protocol = driver.read_text(), protocol.read_text()
    for path, old, new, words in (
        (driver, "from ophyd", "1 / 0\nfrom ophyd", r"devices/heater\.py:5: ZeroDivisionError"),
        (driver, "def halt", "def hallt", r"has no halt\(\); if it cannot be stopped"),
        (driver, 'set="heat"', 'set="heet"', r"temperature names set='heet', but there is no such method"),
        (protocol, "import annotations", "import annotations\nif:", r"protocols/warm_up\.py:4: SyntaxError"),
        (
            protocol,
            "steps = (StepSpec",
            "steps = ()\n    others = (StepSpec",
            r"steps: needs at least 1 entry",
        ),
        (protocol, "low=20, high=90", "low=90, high=20", r"low 90 is not below high 20"),
        (
            protocol,
            'NumberResult(name="glow"',
            'NumberResult(name="temperature"',
            r"protocols/warm_up\.py:\d+: parameter 'temperature' is also the column of the result 'temperature'",
        ),
        (protocol, 'title = "Warm up and measure"', "", r"AttributeError: .*no attribute 'title'"),
    ):
        edit(path, (old, new))
        for kept in lab.rglob("__pycache__"):  # Python knows edits of the same second by their size only
            shutil.rmtree(kept)
        done = labwright("check", cwd=lab)
        assert done.returncode == 3, (new, done.stderr)
        assert re.search(words, done.stderr), done.stderr
        assert "Traceback" not in done.stderr
        driver.write_text(good_driver)
        protocol.write_text(good_protocol)
    edit(protocol, ('return {"glow": values', 'return {"glwo": values'))
    done = labwright("campaign", "run", "first", "--simulated", "--no-store", cwd=lab)
    assert done.returncode == 1
    assert "failed: protocol warm_up promised glow; found glwo" in done.stderr
    assert labwright("report", "first", cwd=lab).returncode == 0


def test_a_mistake_in_the_lab_hides_none_in_its_campaigns(new_lab: Path, tmp_path: Path) -> None:
    lab = tmp_path / "wrong"
    shutil.copytree(new_lab, lab, ignore=shutil.ignore_patterns("__pycache__", ".mypy_cache"))
    campaign = lab / "lab_config" / "campaigns" / "first.yaml"
    with (lab / "lab_config" / "inventory.yaml").open("a") as inventory:
        inventory.write("nonsense: 1\n")
    text = campaign.read_text()
    assert "unit: degC" in text
    campaign.write_text(text.replace("unit: degC", "unit: K"))
    done = labwright("check", cwd=lab)
    assert done.returncode == 3
    assert "unknown key" in done.stderr
    assert re.search(
        r"first\.yaml:\d+:\d+: space\.parameters\.0\.unit: temperature is in 'degC', not in 'K'", done.stderr
    )


def test_a_category_over_a_number_is_refused_with_what_else_to_do(new_lab: Path, tmp_path: Path) -> None:
    lab = tmp_path / "wrong"
    shutil.copytree(new_lab, lab, ignore=shutil.ignore_patterns("__pycache__", ".mypy_cache"))
    campaign = lab / "lab_config" / "campaigns" / "first.yaml"
    line = next(one for one in campaign.read_text().splitlines() if "type: real" in one)
    level = line[: line.index("{")] + "{type: categorical, name: temperature, levels: [low, high]}"
    campaign.write_text(campaign.read_text().replace(line, level))
    done = labwright("check", cwd=lab)
    assert done.returncode == 3
    assert "temperature is a number; use type real, integer or ordinal, as warm_up declares it" in done.stderr


def test_wrong_usage_ends_with_2() -> None:
    assert labwright("campaign", "run").returncode == 2
    assert labwright("nonsense").returncode == 2


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    data = tmp_path_factory.mktemp("demo")
    return data, labwright("demo", "--budget", "3", "--data", data, "--no-store")


def test_the_demo_says_what_it_found_and_where(demo: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    data, done = demo
    assert done.returncode == 0, done.stderr
    for part in ("SIMULATED", "Best found", "True optimum     13.85 mS/cm", "at random", "real robot", "Report", "3/3"):
        assert part in done.stderr
    page = (data / "report.html").read_text()
    assert "SIMULATED" in page
    assert "Timeline of the stations" in page


def test_runs_can_be_listed_shown_and_exported(
    demo: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    data, _ = demo
    rows = [json.loads(line) for line in labwright("run", "list", "--data", data, "--json").stdout.splitlines()]
    assert len(rows) == 8 + 3 * 8
    (first, *_) = [row for row in rows if row["step"] == "finish"]
    shown = labwright("run", "show", first["run"], "--data", data)
    assert "result_conductivity" in shown.stdout
    assert "mS/cm" in shown.stdout
    out = tmp_path / "run.csv"
    assert labwright("run", "export", first["run"], out, "--data", data).returncode == 0
    assert "result_conductivity" in out.read_text()
    wrong = labwright("run", "export", first["run"], tmp_path / "run.xls", "--data", data)
    assert wrong.returncode == 2
    assert ".csv or .jsonl" in wrong.stderr
    assert labwright("run", "show", "zzz", "--data", data).returncode == 3


def test_the_report_can_be_written_again(demo: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path) -> None:
    data, _ = demo
    out = tmp_path / "again.html"
    done = labwright("report", "conductivity", "--data", data, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "SIMULATED" in out.read_text()


def a_simulation_is_not_mistaken(lab: Path, endpoints: Path, tmp_path: Path) -> None:
    """For another lab's, for that of other files, for one that has ended; and there is one at a place."""
    words = ("station", "test", "--endpoints", endpoints)
    other = labwright(*words)
    assert other.returncode == 3
    assert "is of the lab 'mine', not of 'electrolyte_lab'" in other.stderr
    changed = tmp_path / "changed"
    shutil.copytree(lab, changed, ignore=shutil.ignore_patterns("__pycache__", ".mypy_cache"))
    edit(changed / "lab_config" / "lab.yaml", ("hold_s: 60", "hold_s: 61"))
    done = labwright(*words, "--lab", changed)
    assert done.returncode == 3
    assert "the lab's files have changed since; start `labwright simulate` again" in done.stderr
    second = labwright("simulate", "--lab", lab, "--endpoints", endpoints)
    assert second.returncode == 3
    assert "a simulation is served at" in second.stderr


def a_fault_is_put_on_and_taken_off(lab: Path, endpoints: Path) -> None:
    here = ("--lab", lab, "--endpoints", endpoints)
    known = [json.loads(line) for line in labwright("fault", "list", *here, "--json").stdout.splitlines()]
    assert {"device": "heater", "fault": "no_reply"} in known
    wrong = labwright("fault", "add", "heater", "no_replie", *here)
    assert wrong.returncode == 3
    assert "did you mean 'no_reply'?" in wrong.stderr
    assert labwright("fault", "add", "heater", "no_reply", "--count", "99", *here).returncode == 0
    assert labwright("station", "test", *here).returncode == 4
    assert labwright("fault", "clear", *here).returncode == 0
    assert labwright("station", "test", *here).returncode == 0


def test_a_fault_without_a_simulation_is_told_so(tmp_path: Path) -> None:
    done = labwright("fault", "add", "heater", "stall", "--endpoints", tmp_path / "none.json")
    assert done.returncode == 3
    assert "is `labwright simulate` running?" in done.stderr


@pytest.mark.slow
def test_a_campaign_on_a_simulation_in_another_process(new_lab: Path, tmp_path: Path) -> None:
    endpoints = tmp_path / "endpoints.json"
    simulation = start("simulate", "--speed", "100", "--endpoints", endpoints, "--lab", new_lab)
    try:
        assert simulation.stdout is not None
        written = json.loads(simulation.stdout.readline())
        assert json.loads(endpoints.read_text()) == written
        assert Path(written["ports"]["heater"]["path"]).is_symlink()
        words = ("campaign", "run", "first", "--endpoints", endpoints, "--lab", new_lab, "--no-store")
        first = start(*words, "--data", tmp_path / "one", "--json")
        assert first.stdout is not None
        assert json.loads(first.stdout.readline())["kind"] == "started"
        second = labwright(*words, "--data", tmp_path / "two")
        assert second.returncode == 4, "two controllers on one lab: the second is refused"
        assert f"is in use by process {first.pid}" in second.stderr
        out, text = first.communicate(timeout=90)
        assert first.returncode == 0, text
        assert json.loads(out.splitlines()[-1])["state"] == "completed"
        answer = ask(written["control"], {"op": "status"})
        assert answer["unknown"] == {}
        a_fault_is_put_on_and_taken_off(new_lab, endpoints)
        a_simulation_is_not_mistaken(new_lab, endpoints, tmp_path)
    finally:
        simulation.send_signal(signal.SIGINT)
        simulation.communicate(timeout=20)
    assert not endpoints.exists()


@pytest.mark.slow
def test_ctrl_c_stops_safely_with_130(tmp_path: Path) -> None:
    one = start(
        "campaign",
        "run",
        "conductivity",
        "--simulated",
        "--budget",
        "25",
        "--data",
        tmp_path,
        "--no-store",
        "--planner",
        "sobol",
    )
    deadline = time.monotonic() + 60
    log = tmp_path / "journal.sqlite"
    while not log.exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    runs = tmp_path / "runs"
    while len(list(runs.glob("*.jsonl"))) < 10 and time.monotonic() < deadline:
        time.sleep(0.01)
    one.send_signal(signal.SIGINT)
    _, text = one.communicate(timeout=60)
    assert one.returncode == 130, text
    assert "stopping after the current operation" in text
    assert "stopped: Ctrl-C" in text
    assert not list(runs.glob("*.open.jsonl"))


@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_at_any_other_moment_ends_in_words_too(name: str) -> None:
    code = (
        "import os, signal, time, labwright.cli.app as cli\n"
        f"cli.app = lambda: (os.kill(os.getpid(), signal.{name}), time.sleep(9))\n"
        "cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "labwright: stopped\n")


def test_a_signal_that_it_was_told_to_ignore_ends_nothing() -> None:
    """As `nohup` tells it, and a shell that puts it into the background."""
    code = (
        "import os, signal, labwright.cli.app as cli\n"
        "from labwright.cli.running import interrupts\n"
        "names = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)\n"
        "for one in names: signal.signal(one, signal.SIG_IGN)\n"
        "def app():\n"
        "    for one in names: os.kill(os.getpid(), one)\n"
        "    with interrupts(None):\n"
        "        for one in names: os.kill(os.getpid(), one)\n"
        "    print('went on')\n"
        "cli.app = app\n"
        "cli.main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "went on\n", "")


def test_the_old_name_of_reason_still_works_with_a_warning(tmp_path: Path) -> None:
    place = ("--data", str(tmp_path))
    old = CliRunner().invoke(app, ["campaign", "pause", "--because", "the door is open", *place])
    new = CliRunner().invoke(app, ["campaign", "pause", "--reason=the door is open", *place])
    assert old.stderr.count("--because is deprecated: write --reason instead") == 1
    assert "deprecated" not in new.stderr
    assert str(old.exception) == str(new.exception)
    assert "run a campaign first" in str(new.exception), "both were understood"
    shown = CliRunner().invoke(app, ["campaign", "pause", "--help"]).output
    assert "--reason" in shown
    assert "--because" not in shown
