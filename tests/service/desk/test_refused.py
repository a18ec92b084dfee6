"""What the desk refuses, each with its code: beside what `test_life` shows, what takes a state of its own."""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from labwright.journal import Journal, journal_file
from labwright.model.instruments import HERE
from labwright.service.database import Door
from labwright.service.desk import requests
from labwright.service.desk.appraiser import Appraiser
from labwright.service.desk.clerk import Clerk
from labwright.service.desk.findings import Appraisal
from labwright.service.desk.requests import By
from labwright.service.lab_process import LabProcess
from labwright.service.problems import Problem
from labwright.service.records import Records
from labwright.service.schema import request
from tests.service.desk.asking import SOLVENT, until_true
from tests.service.desk.test_states import appraisal, content

ROOT = Path(__file__).parents[3]
POINT = {
    "molality": {"value": 1.0, "unit": "mol/kg"},
    "ec_fraction": 0.4,
    "dmc_share": 0.5,
    "temperature": {"value": 27, "unit": "degC"},
}

DESK = """
reviews: {technical: 1, safety: 0}
offers:
  electrolyte_conductivity: {prepare: [cell_calibration], withdrawn: ["0"]}
hazards: {dosing: [H225, H350], stirring: [H225, H350], transport: [H225, H350], impedance: [H225, H350]}
reactivity: {DMC_EC_70_30: [flammable_organic]}
"""


def asked(**more: Any) -> dict[str, Any]:
    return {
        "project": "solar",
        "title": "mine",
        "protocol": {"name": "electrolyte_conductivity", "version": "1"},
        "parameters": POINT,
        "export_control": {"status": "not_controlled"},
        "terms": "1",
        "contact": "ada",
        **more,
    }


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, Appraiser]]:
    """The reference lab with rules of its desk, and what says what it makes of a request."""
    folder = tmp_path_factory.mktemp("lab")
    for name in ("lab_config", "devices", "protocols", "simulators"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "lab_config" / "desk.yaml").write_text(DESK)
    with Journal(journal_file(folder / "data")) as journal:
        journal.control("a test", instruments=HERE)
    process = LabProcess(folder, str(journal_file(folder / "data")))
    yield folder, Appraiser(process)
    process.close()


def codes(found: Appraisal) -> list[tuple[str, str]]:
    return [(one.pointer, one.code) for one in found.problems]


def test_what_the_lab_cannot_make_or_has_too_little_of(lab: tuple[Path, Appraiser]) -> None:
    folder, appraiser = lab
    assert codes(appraiser.appraise(asked())) == []
    rich = {**POINT, "molality": {"value": 1.99, "unit": "mol/kg"}, "dmc_share": 0.0}
    assert codes(appraiser.appraise(asked(parameters=rich))) == [("/parameters", "infeasible")]
    hot = {**POINT, "temperature": {"value": 300, "unit": "degC"}}
    assert codes(appraiser.appraise(asked(parameters=hot))) == [("/parameters/temperature", "value")]
    many = {**asked(), "runs": [POINT] * 40}
    del many["parameters"]
    assert codes(appraiser.appraise(many)) == [("", "material")]  # 30 vials
    inventory = folder / "lab_config" / "inventory.yaml"
    constants = folder / "lab_config" / "lab.yaml"
    before, amounts = inventory.read_text(), constants.read_text()
    try:
        for changed, why in (("expires: 2020-01-01", "expired"), ("status: quarantined", "quarantined")):
            lines = before.splitlines()
            place = next(number for number, line in enumerate(lines) if "rinse-1: {material: rinse" in line)
            lines[place] = _with(lines[place], changed)
            inventory.write_text("\n".join(lines) + "\n")
            found = appraiser.appraise(asked())
            assert codes(found) == [("", "material")], (changed, found.problems)
            assert why in found.problems[0].detail
        inventory.write_text(before)
        constants.write_text(amounts.replace("sample_volume_ul: 2000", "sample_volume_ul: 9000"))
        found = appraiser.appraise(asked())
        assert codes(found)[0] == ("/parameters", "refused")
        assert "would go into a vial, which holds 8 mL" in found.problems[0].detail
    finally:
        inventory.write_text(before)
        constants.write_text(amounts)


def _with(line: str, more: str) -> str:
    """A line of YAML that is a mapping in braces, with one key more."""
    assert line.rstrip().endswith("}"), line
    return line.rstrip()[:-1] + f", {more}}}"


def test_hazards_take_a_safety_review_and_known_company(lab: tuple[Path, Appraiser]) -> None:
    _, appraiser = lab
    harmless = {**SOLVENT, "hazards": [], "sheet": None}
    assert appraiser.appraise(asked(samples=[harmless])).safety == 0  # as the lab's rules say
    carcinogenic = {**SOLVENT, "hazards": ["H350"]}
    found = appraiser.appraise(asked(samples=[carcinogenic]))
    assert found.safety == 1  # whatever they say
    assert {code for _, code in codes(found)} == {"reactivity_unknown"}  # of most stocks the lab has not said it
    oxidiser = {**SOLVENT, "groups": ["oxidiser"], "hazards": []}
    assert ("/samples/0/groups", "incompatible") in codes(appraiser.appraise(asked(samples=[oxidiser])))
    unsaid = {**SOLVENT, "groups": []}
    assert ("/samples/0", "reactivity_unknown") in codes(appraiser.appraise(asked(samples=[unsaid])))
    undeclared = {**SOLVENT, "cas": []}
    assert ("/samples/0", "cas") in codes(appraiser.appraise(asked(samples=[undeclared])))
    wrong = {**SOLVENT, "hazards": ["H225", "H290"]}
    assert ("/samples/0/hazards", "hazard") in codes(appraiser.appraise(asked(samples=[wrong])))


def test_a_lab_that_has_changed_is_read_again(lab: tuple[Path, Appraiser]) -> None:
    folder, appraiser = lab
    protocol = folder / "protocols" / "electrolyte_conductivity.py"
    before = protocol.read_text()
    try:
        protocol.write_text(before.replace('    name = "electro', '    version = "2"\n    name = "electro', 1))
        found = appraiser.appraise(asked())
        assert codes(found) == [("/protocol/version", "protocol_version")]
        assert "it is at version 2 now" in found.problems[0].detail
    finally:
        protocol.write_text(before)
    assert codes(appraiser.appraise(asked())) == []


def test_a_project_does_not_flood_the_lab(file_door: Door) -> None:
    rules = dataclasses.replace(Rules(), open_requests=2, hastened=1)

    def submit(priority: str = "routine") -> None:
        with file_door.writing() as connection:
            row = requests.create(connection, {**content("one more"), "priority": priority}, By("ada"))
            requests.submit(connection, row, rules.appraisal, By("ada"))

    submit("urgent")
    with pytest.raises(Problem, match="1 requests above routine open, and may have 1") as refused:
        submit("soon")
    assert refused.value.code == "quota"
    submit()
    with pytest.raises(Problem, match="2 requests open, and may have 2"):
        submit()


@dataclasses.dataclass(frozen=True)
class Rules:
    open_requests: int = 100
    hastened: int = 2

    @property
    def appraisal(self) -> Appraisal:
        return appraisal(1).model_copy(update=dataclasses.asdict(self))


def test_an_approval_that_has_expired_is_one_no_more(file_door: Door, tmp_path: Path) -> None:
    with file_door.writing() as connection:
        row = requests.create(connection, content("late", samples=True), By("ada"))
        row = requests.submit(connection, row, appraisal(3), By("ada"))
        for kind, who in (("technical", "tom"), ("safety", "sam")):
            row = requests.judge(connection, row, kind, "accept", row["digest"], By(who), "well")  # type: ignore[arg-type]
        assert row["state"] == "awaiting_samples"
        connection.execute(sa.update(request).values(valid_until_s=time.time() - 1))
    with file_door.reading() as connection, pytest.raises(Problem, match="the approval of R1 ended at"):
        requests.receive(connection, requests.row_of(connection, row["n"]), "S", "B-1", "", "", By("tom"))
    Journal(journal_file(tmp_path)).close()
    process = LabProcess(tmp_path, "")
    clerk = Clerk(file_door, Records(str(journal_file(tmp_path))), Appraiser(process), lambda journal, row: None)
    try:
        until_true(lambda: file_door.rows(sa.select(request.c.state))[0]["state"] == "expired")
    finally:
        clerk.close()
        process.close()
    with file_door.writing() as connection:
        row = requests.row_of(connection, row["n"])
        assert requests.shown(connection, row)["charges"] == {}
        with pytest.raises(Problem, match="receive is not possible in the state expired"):
            requests.receive(connection, row, "S", "B-1", "", "", By("tom"))


def test_a_rehearsal_that_takes_too_long_leaves_nothing_half_done(
    lab: tuple[Path, Appraiser], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = lab
    process = LabProcess(folder, str(journal_file(folder / "data")))
    own = Appraiser(process)
    searched = {**asked(), "campaign": {
        "space": {"parameters": [{"type": "real", "name": "molality", "unit": "mol/kg", "low": 0.5, "high": 1.0}]},
        "objective": {"name": "conductivity", "goal": "max", "unit": "mS/cm"},
        "budget": 20,
        "fixed": {name: value for name, value in POINT.items() if name != "molality"},
    }}  # fmt: skip
    del searched["parameters"]
    desk = folder / "protocols" / "electrolyte_conductivity.py"
    before = desk.read_text()
    slow = "        super().check(parameters)\n        import time; time.sleep(0.2)\n"
    try:
        desk.write_text(before.replace("        super().check(parameters)\n", slow, 1))
        found = own.appraise(searched)
        assert found.quote is not None
        assert found.quote.ends_in_s is None
        assert any("was not found within" in words for words in found.quote.notes)
        first = process._child
        desk.write_text(before)
        assert own.appraise(searched).quote.ends_in_s is not None  # type: ignore[union-attr]
        assert process._child is not first
    finally:
        desk.write_text(before)
        process.close()
