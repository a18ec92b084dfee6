"""What the manual says can be done."""

import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from ruamel.yaml import YAML
from typer.main import get_command

from labwright.cli.app import app
from labwright.cli.init import make_lab
from labwright.lab import YamlFile
from labwright.model.calendars import CalendarSpec, MaintenanceSpec
from labwright.model.campaign import Cost, Fidelity, Objective, OutcomeLimit
from labwright.model.devices import DeviceSpec
from labwright.model.lab import LabModel
from labwright.model.labware import LabwareSpec, WellsSpec
from labwright.model.ports import PortBase, SerialAddress
from labwright.model.positions import PositionSpec
from labwright.model.space import (
    Categorical,
    Choose,
    Forbidden,
    Integer,
    LinearEQ,
    LinearLE,
    Mixture,
    Ordinal,
    Pool,
    Real,
    Space,
)
from labwright.model.spec import CampaignSpec, StopRule
from labwright.model.stations import StationSpec
from labwright.model.supplies import ContainerSpec, LotSpec, MaterialSpec, SourceSpec, WasteSpec
from labwright.model.transports import TransportSpec
from tests.forks import labwright

ROOT = Path(__file__).parents[1]
TEMPLATE = ROOT / "src" / "labwright" / "cli" / "template"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), TEMPLATE / "README.md"]
COMMAND = re.compile(r"^(?: {4}|\| ?`|`?)(labwright [a-z][^`#\n]*)", re.MULTILINE)


def commands() -> list[tuple[str, str]]:
    found = []
    for page in PAGES:
        for line in COMMAND.findall(page.read_text(encoding="utf-8")):
            found.append((page.name, line.strip()))
    return found


def test_there_are_commands_to_try() -> None:
    assert len(commands()) > 20


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_of_the_manual_is_understood(page: str, line: str) -> None:
    command: Any = get_command(app)
    words = shlex.split(re.sub(r"\[[^\]]*\]", "", line))[1:]
    while hasattr(command, "commands"):
        assert words, f"{page}: {line}"
        assert words[0] in command.commands, f"{page}: there is no {line!r}"
        command = command.commands[words.pop(0)]
    command.make_context(line, words)  # raises UsageError for an unknown option or a missing argument


def test_links_inside_the_manual_lead_somewhere() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page}: {target}"


def test_the_classes_in_the_readme_are_those_of_a_new_lab() -> None:
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    classes = [block for block in blocks if block.startswith("class ")]
    assert len(classes) == 2
    template = [path.read_text(encoding="utf-8") for path in TEMPLATE.rglob("*.py")]
    for block in classes:
        assert any(block in text for text in template), block


def test_the_notebook_in_the_readme_runs(tmp_path: Path) -> None:
    make_lab(tmp_path / "mylab")
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```python\n(import labwright.*?)```", text, re.DOTALL)
    done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    assert "glow" in done.stdout


def test_every_page_stands_in_the_index() -> None:
    linked = re.findall(r"\]\(([^)#]+)\)", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")} - {"index.md"}
    assert pages == set(linked)


def test_the_snippets_on_reading_data_run(tmp_path: Path) -> None:
    make_lab(tmp_path / "mylab")

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, *words], cwd=tmp_path / "mylab", capture_output=True, text=True, timeout=100
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    for verb in ("campaign run first --simulated --budget 2 --no-store", "store sync"):
        done = labwright(*verb.split(), cwd=tmp_path / "mylab")
        assert done.returncode == 0, done.stderr
    text = (ROOT / "docs" / "how-to" / "read-the-data.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    for block in blocks:
        assert "heater_glow" in run("-c", block)


def test_the_snippets_on_planning_without_a_lab_run(tmp_path: Path) -> None:
    text = (ROOT / "docs" / "how-to" / "plan-without-a-lab.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    assert len(blocks) == 3
    (tmp_path / "notebook.csv").write_text("temperature / degC,rinses,yield / %\n450,2,55.5\n")
    for block in blocks:
        done = subprocess.run([sys.executable, "-c", block], cwd=tmp_path, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stderr
        assert "temperature / degC" in done.stdout


def test_the_tutorial_can_be_followed(tmp_path: Path) -> None:
    lab = tmp_path / "mylab"
    make_lab(lab)
    text = (ROOT / "docs" / "tutorials" / "first-lab.md").read_text(encoding="utf-8")
    (new_class,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (new_space,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    protocol, campaign = lab / "protocols" / "warm_up.py", lab / "lab_config" / "campaigns" / "first.yaml"
    head, _, _ = protocol.read_text(encoding="utf-8").partition("class WarmUp")
    protocol.write_text(head + new_class, encoding="utf-8")
    assert "hold" in labwright("check", "--lab", lab).stderr
    old = campaign.read_text(encoding="utf-8")
    campaign.write_text(re.sub(r"space:\n(  .*\n)+", new_space, old), encoding="utf-8")
    done = labwright("check", "--lab", lab)
    assert done.returncode == 0, done.stderr
    done = labwright("campaign", "run", "first", "--simulated", "--no-store", "--lab", lab, "--data", tmp_path / "data")
    assert done.returncode == 0, done.stderr


def test_the_goals_in_the_reference_are_understood() -> None:
    page = (ROOT / "docs" / "reference" / "lab-files.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"```yaml\n(objective:.*?)```", page, re.DOTALL)
    campaign = (ROOT / "lab_config" / "campaigns" / "conductivity.yaml").read_text(encoding="utf-8")
    kept = re.sub(r"^(objective|planner): .*\n", "", campaign, flags=re.MULTILINE)
    spec = CampaignSpec.model_validate(YAML(typ="safe").load(kept + block))
    assert spec.outcomes == {"conductivity": "mS/cm", "mass": "g", "cell_temperature": "degC"}
    assert spec.stop.advised


def test_the_spaces_in_the_reference_are_understood(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "reference" / "lab-files.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```yaml\n(space:.*?)```", page, re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        (tmp_path / "space.yaml").write_text(block, encoding="utf-8")
        assert Space.model_validate(YamlFile(tmp_path / "space.yaml").data["space"]).parameters


@pytest.mark.parametrize(
    "kind", [Real, Integer, Ordinal, Categorical, LinearLE, LinearEQ, Mixture, Choose, Forbidden, Pool]
)
def test_every_key_of_a_space_stands_in_the_reference(kind: type[BaseModel]) -> None:
    page = (ROOT / "docs" / "reference" / "lab-files.md").read_text(encoding="utf-8")
    for key in set(kind.model_fields) - {"rows", "ids"}:  # these are read from the file
        assert re.search(rf"\b{key}\b", page), f"{kind.__name__}.{key} is not in docs/reference/lab-files.md"


@pytest.mark.parametrize("model", [Objective, OutcomeLimit, Cost, Fidelity, StopRule])
def test_every_key_of_a_goal_stands_in_the_reference(model: type[BaseModel]) -> None:
    page = (ROOT / "docs" / "reference" / "lab-files.md").read_text(encoding="utf-8")
    for key in model.model_fields:
        assert re.search(rf"\b{key}\b", page), f"{model.__name__}.{key} is not in docs/reference/lab-files.md"


ALL_OF_A_LAB = [
    LabModel, CampaignSpec, PortBase, SerialAddress, DeviceSpec, StationSpec, LabwareSpec, WellsSpec,
    PositionSpec, TransportSpec, MaterialSpec, LotSpec, ContainerSpec, SourceSpec, WasteSpec, CalendarSpec,
    MaintenanceSpec,
]  # fmt: skip


@pytest.mark.parametrize("model", ALL_OF_A_LAB)
def test_every_key_of_a_file_stands_in_the_reference(model: type[BaseModel]) -> None:
    page = (ROOT / "docs" / "reference" / "lab-files.md").read_text(encoding="utf-8")
    for key in model.model_fields:
        assert re.search(rf"\b{key}\b", page), f"{model.__name__}.{key} is not in docs/reference/lab-files.md"
