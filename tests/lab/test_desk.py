"""The rules of a lab's request desk, read from its file."""

from __future__ import annotations

from pathlib import Path

from labwright.cli.init import make_lab
from labwright.lab.folder import folder_hash
from tests.forks import labwright

WRONG = """\
terms: "1"
offers:
  warm_upp: {}
  warm_up: {prepare: [cool_down]}
hazards: {heatin: [H225], heating: [flammable]}
prices: {station_hour: {heating: -1}}
currencys: JPY
"""


def test_mistakes_have_their_line_and_the_nearest_name(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    make_lab(root)
    (root / "lab_config" / "desk.yaml").write_text(WRONG)
    found = labwright("check", "--lab", root)
    assert found.returncode == 3
    for line, words in (
        (3, "did you mean 'warm_up'?"),
        (4, "offers.warm_up.prepare.0: no protocol 'cool_down'"),
        (5, "did you mean 'heating'?"),
        (6, "prices.station_hour.heating"),
        (7, "did you mean 'currency'?"),
    ):
        mine = [one for one in found.stderr.splitlines() if one.startswith(f"lab_config/desk.yaml:{line}:")]
        assert any(words in one for one in mine), found.stderr


def test_new_rules_do_not_make_it_another_lab(tmp_path: Path) -> None:
    root = tmp_path / "mine"
    make_lab(root)
    before = folder_hash(root)
    (root / "lab_config" / "desk.yaml").write_text('terms: "2"\n')
    assert folder_hash(root) == before
    assert labwright("check", "--lab", root).returncode == 0
