"""Labs of earlier versions, rewritten by one command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from labwright.engine.inventory import inventory_sha256
from labwright.lab import MistakesError, YamlFile, validate
from labwright.lab.earlier import RECORD, same_lab
from labwright.lab.folder import folder_hash
from labwright.lab.migration import _rewritten, migrate
from labwright.model.errors import ConfigError
from labwright.model.lab import LabModel
from tests.forks import labwright

ROOT = Path(__file__).parents[2]
EARLIER = ROOT / "tests" / "golden" / "lab"
REFERENCE = ROOT / "tests" / "labs" / "earlier"
"""Files of the reference lab before its material was described: its stocks and positions stand for themselves."""

COUNTED = "6be5cd4d38a2399e209d5106088615a64b91ef4a0329ddb6b823f8627a433f1c"
"""Hash of what those files say is there, as the version that read them computed it."""

INVENTORY = "lab_config/inventory.yaml"


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A lab as an earlier version had it, with a comment of its owner's."""
    shutil.copytree(EARLIER, tmp_path / "lab", ignore=shutil.ignore_patterns("__pycache__"))
    path = tmp_path / "lab" / INVENTORY
    path.write_text(path.read_text().replace("  bench:", "  # beside the window\n  bench:", 1))
    return tmp_path / "lab"


def files(lab: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in sorted(lab.rglob("*")) if path.is_file() and path.suffix != ".pyc"}


def test_a_lab_of_an_earlier_version_is_refused_with_what_to_do(lab: Path) -> None:
    done = labwright("check", "--lab", lab)
    assert done.returncode == 3
    assert "lab_config/inventory.yaml:1:1: stocks: in the form of an earlier Labwright. Have the lab's" in done.stderr
    assert f"labwright lab migrate {lab}" in done.stderr


def test_a_migrated_lab_is_the_same_lab(lab: Path) -> None:
    before, had = folder_hash(lab), files(lab)
    done = labwright("lab", "migrate", lab, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["files"] == [INVENTORY, "protocols/inks.py"]
    text = (lab / INVENTORY).read_text()
    assert "  # beside the window\n  bench: {takes: [vial]}\n" in text
    assert "rack_8: {takes: [vial], holds: vial}" in text
    assert "      rack_[1-8]: '[1-8]'\n      bench: 21\n" in text
    assert 'context.lab.transports["arm"].reaches[place]' in (lab / "protocols" / "inks.py").read_text()
    changed = {path.relative_to(lab) for path, data in files(lab).items() if had.get(path) != data}
    assert changed == {Path(INVENTORY), Path("protocols/inks.py"), RECORD}
    checked = labwright("check", "--lab", lab)
    assert checked.returncode == 0, checked.stderr
    assert same_lab(lab, folder_hash(lab)) == {before}
    with (lab / INVENTORY).open("a") as file:
        file.write("# another syringe\n")
    assert same_lab(lab, folder_hash(lab)) == frozenset(), "it was edited since"


def test_a_second_time_nothing_is_written(lab: Path) -> None:
    assert migrate(lab).files
    had = files(lab)
    assert migrate(lab).files == ()
    assert files(lab) == had


def test_what_carries_must_be_told(lab: Path) -> None:
    path = lab / "lab_config" / "lab.yaml"
    text = path.read_text()
    path.write_text(text.replace("devices: {arm: arm}", "devices: {hand: arm}").replace("  transport:", "  carrying:"))
    had = files(lab)
    with pytest.raises(
        ConfigError, match=r"which station carries .* follow .* call the role of the device that does 'arm'"
    ):
        migrate(lab)
    assert files(lab) == had


def test_what_would_be_wrong_is_not_written(lab: Path) -> None:
    path = lab / INVENTORY
    path.write_text(path.read_text().replace("bench: {arm_location: 21}", "bench: {arm_location: 1}"))
    had = files(lab)
    with pytest.raises(MistakesError, match="the same taught location 1 as 'rack_1'"):
        migrate(lab)
    assert files(lab) == had


def test_what_a_person_has_to_rewrite_is_told_with_its_line(lab: Path) -> None:
    path = lab / "protocols" / "inks.py"
    path.write_text(path.read_text() + "\n\ndef ours(spec):\n    return spec.arm_location\n")
    line = len(path.read_text().splitlines())
    assert any(note.startswith(f"protocols/inks.py:{line}: asks for arm_location") for note in migrate(lab).notes)


def test_the_reference_lab_of_an_earlier_version(tmp_path: Path) -> None:
    """Stocks with a valve and a reserve, containers with names of their own; what was counted there is still right."""
    for name in ("devices", "protocols", "simulators"):
        (tmp_path / name).symlink_to(ROOT / name)
    shutil.copytree(REFERENCE, tmp_path / "lab_config")
    notes = migrate(tmp_path).notes
    assert any("materials: title, cas" in note for note in notes)
    checked = labwright("check", "--lab", tmp_path)
    assert checked.returncode == 0, checked.stderr
    files = [YamlFile(path) for path in sorted((tmp_path / "lab_config").glob("*.yaml"))]
    model = validate(LabModel, files)
    stock = model.stocks[model.stock_named("EC_EMC_50_50")]
    assert (stock.facts.source, stock.device, stock.count, stock.dead) == (
        "EC_EMC_50_50", "pump_6", 58_000_000, 500_000,
    )  # fmt: skip
    assert model.sources["EC_EMC_50_50"].settings == {"valve_port": 6}
    assert model.sources["rinse"].settings == {}
    assert model.positions["standard_weak"].holds == "KCl_0_01"
    assert model.containers["KCl_0_01"].labware == "vial"
    assert model.transports["arm"].reaches["rack_30"] == 30
    assert inventory_sha256(model) == COUNTED, "a deck that was filled before need not be counted again"


def test_what_protocols_ask_of_stocks_and_positions_is_rewritten() -> None:
    code = "a = self.lab.stocks[names[0]].valve_port + context.lab.positions[place].arm_location\n"
    assert _rewritten(code) == (
        'a = self.lab.sources[names[0]].settings.get("valve_port", 0) + context.lab.transports["arm"].reaches[place]\n'
    )


def test_stocks_of_which_different_volumes_must_stay(lab: Path) -> None:
    path = lab / INVENTORY
    path.write_text(path.read_text().replace("volume_ml: 20}", "volume_ml: 12.5, reserve_ml: 1.25}", 1))
    migrate(lab)
    text = path.read_text()
    assert "cyan-1: {labware: vessel_1, lot: cyan-1, quantity: 12.5 mL}" in text
    assert "vessel_1: {title: Vessel of a pump, dead_ul: 1250}" in text
    assert "vessel_2: {title: Vessel of a pump, dead_ul: 500}" in text


def test_who_dispenses_must_follow_from_the_files(lab: Path) -> None:
    path = lab / "lab_config" / "lab.yaml"
    path.write_text(path.read_text().replace("amber: pump_amber", "amber: pump_cyan"))
    with pytest.raises(ConfigError, match="no station has the device 'pump_amber' of stock 'amber'"):
        migrate(lab)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("cyan: {pump: pump_cyan, volume_ml: 20}", "cyan: {volume_ml: 20}", "stocks.cyan.pump: is missing"),
        ("volume_ml: 20}", "volume_ml: much}", "inventory.yaml:2:38: stocks.cyan.volume_ml: input should be a valid"),
        ("arm_location: 1,", 'arm_location: "1",', "positions.rack_1.arm_location: input should be a valid integer"),
        ("  bench: {arm_location: 21}", "  bench: 21", "positions.bench: must be a mapping"),
        ("stocks:", "sources: {}\nstocks:", "inventory.yaml:1:1: sources: there are stocks in the form of an earlier"),
        ("positions:", "transports: {}\npositions:", "transports: there are positions in the form of an earlier"),
    ],
)
def test_what_was_wrong_in_the_earlier_form_is_refused(lab: Path, old: str, new: str, expected: str) -> None:
    path = lab / INVENTORY
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    had = files(lab)
    with pytest.raises(MistakesError) as caught:
        migrate(lab)
    assert expected in str(caught.value)
    assert files(lab) == had


def test_sections_may_stand_in_any_file(lab: Path) -> None:
    """Stocks in one file, positions with a prepared container in another: each section is still in one file."""
    path, other = lab / INVENTORY, lab / "lab_config" / "devices.yaml"
    stocks, positions = path.read_text().split("\npositions:")
    path.write_text(
        "positions:" + positions.replace("bench: {arm_location: 21}", "bench: {arm_location: 21, holds: dye}")
    )
    other.write_text(f"{other.read_text()}\n{stocks}")
    assert len(migrate(lab).files) == 3
    checked = labwright("check", "--lab", lab)
    assert checked.returncode == 0, checked.stderr
    assert "dye: {labware: vial}" in other.read_text()
