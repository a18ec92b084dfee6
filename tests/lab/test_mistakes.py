"""Mistakes in a lab's files: all at once, at their place, with a hint."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from labwright.lab import MistakesError, YamlFile, validate
from labwright.model.errors import ConfigError
from labwright.model.lab import LabModel
from labwright.model.spec import CampaignSpec

ROOT = Path(__file__).parents[2]
Edit = Callable[[str, str, str], None]


@pytest.fixture
def config(tmp_path: Path) -> Path:
    folder = tmp_path / "lab_config"
    shutil.copytree(ROOT / "lab_config", folder)
    return folder


@pytest.fixture
def edit(config: Path) -> Edit:
    def change(file: str, old: str, new: str) -> None:
        path = config / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new, 1))

    return change


def mistakes(config: Path) -> str:
    names = ("lab", "devices", "inventory", "simulation")
    with pytest.raises(MistakesError) as caught:
        validate(LabModel, [YamlFile(config / f"{name}.yaml", Path(f"{name}.yaml")) for name in names])
    return str(caught.value)


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "devices.yaml",
            "baud: 19200",
            "bauds: 19200",
            "devices.yaml:5:66: ports.pumps.serial.bauds: unknown key; did you mean 'baud'?",
        ),
        (
            "devices.yaml",
            "volume: [5, 3000]",
            "volume: [.nan, 3000]",
            "devices.pump_1.limits.volume.0: input should be a finite number",
        ),
        ("devices.yaml", "port: valve,", "port: valv,", "no port 'valv'; did you mean 'valve'?"),
        ("devices.yaml", "address: 2,", "address: 1,", "the same address 1 on port 'pumps' as device 'pump_1'"),
        ("devices.yaml", "  pump_2: {", "  pump_1: {", "devices.yaml:15:3: the key 'pump_1' is here a second time"),
        (
            "devices.yaml",
            "volume: [5, 3000]",
            "volume: [3000, 5]",
            "devices.pump_1.limits: volume: low 3000 is not below high 5",
        ),
        ("devices.yaml", "type: tcp", "type: udp", "ports.arm"),
        (
            "devices.yaml",
            "path: /dev/serial/by-id/labwright-valve",
            "path: /dev/serial/by-id/labwright-pumps",
            "the same address as port 'pumps'",
        ),
        ("lab.yaml", "valve: selector", "valve: selectr", "no device 'selectr'; did you mean 'selector'?"),
        (
            "inventory.yaml",
            "quantity: 58 mL}",
            "quantity: -58 mL}",
            "containers.DMC_EC_70_30-1.quantity: '-58 mL' is less than nothing",
        ),
        ("inventory.yaml", "device: pump_3", "device: pump_33", "no device 'pump_33'"),
        ("simulation.yaml", "pump_2: {simulator", "pump_22: {simulator", "device 'pump_2' has no simulator"),
    ],
)
def test_a_mistake_is_told_with_its_place(
    config: Path, edit: Edit, file: str, old: str, new: str, expected: str
) -> None:
    edit(file, old, new)
    text = mistakes(config)
    assert expected in text
    assert f"{file}:" in text
    assert "    ^" in text or " ^" in text


def test_all_mistakes_come_at_once(config: Path, edit: Edit) -> None:
    edit("devices.yaml", "baud: 19200", "bauds: 19200")
    edit("lab.yaml", "title: Battery", "titel: Battery")
    edit("inventory.yaml", "quantity: 58 mL}", "quantity: lots}")
    text = mistakes(config)
    assert text.startswith("3 mistakes found; nothing was started")
    for part in (
        "devices.yaml:5",
        "lab.yaml:3",
        "unknown key; did you mean 'title'?",
        "quantity",
    ):
        assert part in text


def test_a_mistake_in_the_form_hides_no_mistake_in_the_sense(config: Path, edit: Edit) -> None:
    edit("devices.yaml", "baud: 19200", "bauds: 19200")
    edit("devices.yaml", "type: tcp", "type: udp")  # the arm's port is wrong itself: nothing more is said of it
    edit("lab.yaml", "valve: selector", "valve: selectr")
    edit("inventory.yaml", "device: pump_3", "device: pump_33")
    edit("inventory.yaml", "quantity: 58 mL}", "quantity: -1 mL}")
    text = mistakes(config)
    assert text.startswith("5 mistakes found")
    for part in ("'baud'", "ports.arm", "no device 'selectr'", "no device 'pump_33'", "less than nothing"):
        assert part in text


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
    [
        (
            "lab.yaml",
            "settle_s: 60",
            "settle_s: .nan",
            "settle_s: input should be a finite number",
        ),
        (
            "devices.yaml",
            "voltage_v: 0.02",
            "voltage_v: .inf",
            "lcr.settings.voltage_v: input should be a finite",
        ),
        ("lab.yaml", "slots: 4", 'slots: "4"', "stations.stirring.slots: input should be a valid integer"),
        ("devices.yaml", "timeout_s: 0.6", "timeout_s: true", "timeout_s: input should be a valid number, not True"),
    ],
)
def test_only_numbers_are_numbers(config: Path, edit: Edit, file: str, old: str, new: str, expected: str) -> None:
    edit(file, old, new)
    text = mistakes(config)
    assert text.startswith("1 mistake found")
    assert expected in text


def test_a_wrong_parameter_is_one_mistake_and_an_impossible_limit_is_one(tmp_path: Path) -> None:
    text = (ROOT / "lab_config" / "campaigns" / "conductivity.yaml").read_text()
    path = tmp_path / "c.yaml"
    for old, new, expected in (
        ("low: 0.14,", "low: lots,", "space.parameters.0.real.low: input should be a valid number, not 'lots'"),
        ("bound: 1.49", "bound: -9", "no point of the space keeps it; the smallest sum is -0.36"),
        ("seed: 1", "seed: 99999999999999999999", "seed: input should be less than 4294967296"),
    ):
        path.write_text(text.replace(old, new))
        with pytest.raises(MistakesError, match="1 mistake found") as caught:
            validate(CampaignSpec, [YamlFile(path)])
        assert expected in str(caught.value)


@pytest.mark.parametrize("text", ["1_000", "0x10", "0o17", "0b11", "1_0.5", "1e400"])
def test_a_number_that_is_written_otherwise_is_a_mistake_with_its_place(tmp_path: Path, text: str) -> None:
    path = tmp_path / "x.yaml"
    path.write_text(f"a: [1, {{b: 2.5, c: {text}}}]\nd: -.5e1\n")
    with pytest.raises(MistakesError, match=re.escape(f"x.yaml:1:20: {text!r} is ")):
        YamlFile(path)


def test_a_control_character_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("name: x\ntitle: a\x00b\n")
    with pytest.raises(MistakesError, match=r"lab\.yaml:2:9: no valid YAML: special characters"):
        YamlFile(path)


def test_broken_yaml_is_told_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("name: x\nports: {a: [1, 2}\n")
    with pytest.raises(MistakesError, match=r"lab\.yaml:2:\d+: no valid YAML"):
        YamlFile(path)


def test_a_list_is_no_lab(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text("- 1\n")
    with pytest.raises(MistakesError, match="a mapping"):
        YamlFile(path)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("low: 0.14, high: 2.0", "low: 2.0, high: 0.14", "low 2 is not below high 0.14"),
        ("budget: 25", "budget: 0", "budget: input should be greater than or equal to 1, not 0"),
        ("planner: {name: gp}", "planer: {name: gp}", "planer: unknown key; did you mean 'planner'?"),
        ("fixed: {temperature: 27.0}", "fixed: {molality: 1.0}", "'molality' is in the search space as well"),
    ],
)
def test_mistakes_in_a_campaign(tmp_path: Path, old: str, new: str, expected: str) -> None:
    text = (ROOT / "lab_config" / "campaigns" / "conductivity.yaml").read_text()
    assert old in text
    path = tmp_path / "c.yaml"
    path.write_text(text.replace(old, new))
    with pytest.raises(ConfigError) as caught:
        validate(CampaignSpec, [YamlFile(path)])
    assert expected in str(caught.value)
