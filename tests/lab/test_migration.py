"""Labs of earlier versions, rewritten by one command."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from labwright.lab import MistakesError
from labwright.lab.earlier import RECORD, same_lab
from labwright.lab.folder import folder_hash
from labwright.lab.migration import migrate
from labwright.model.errors import ConfigError
from tests.forks import labwright

EARLIER = Path(__file__).parents[1] / "golden" / "lab"
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
    assert (
        "lab_config/inventory.yaml:6:12: positions: in the form of an earlier Labwright. Have the lab's" in done.stderr
    )
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
