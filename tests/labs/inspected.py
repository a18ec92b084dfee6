"""The reference lab with a bench where a person looks at each sample; for all tests that want people in a whole lab."""

from __future__ import annotations

import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("lab_config", "devices", "protocols", "simulators")

CHANGES = {
    "lab_config/lab.yaml": (
        ("  impedance:\n    title: ", "  bench: {title: Bench, people: true}\n  impedance:\n    title: "),
        ("      cell: 43\n", "      cell: 43\n      bench_1: 50\n"),
        ("  cell_calibration:\n", "  visual_inspection:\n" + "{constants}" + "  cell_calibration:\n"),
    ),
    "lab_config/inventory.yaml": (
        ("  cell: {takes: [vial], station: impedance}\n",
         "  cell: {takes: [vial], station: impedance}\n  bench_1: {takes: [vial], station: bench}\n"),
    ),
    "lab_config/simulation.yaml": (
        ("plate_4, cell]", "plate_4, cell, bench_1]"),
        ("          43: cell\n", "          43: cell\n          50: bench_1\n"),
        ("  devices:\n", "  people: {bench: PEOPLE}\n  devices:\n"),
    ),
}  # fmt: skip

PROTOCOL = '''"""Conductivity of an electrolyte, and what a person sees in it."""

from __future__ import annotations

from labwright.model.protocol import (
    ChoiceParameter, ChoiceResult, FlagParameter, FlagResult, Manual, StepSpec, TextParameter,
)
from protocols.electrolyte_conductivity import ElectrolyteConductivity


class VisualInspection(ElectrolyteConductivity):
    """Mix, weigh, stir, measure; then a person looks at the vial on the bench."""

    name = "visual_inspection"
    title = "Conductivity and look of LiPF6 in EC:DMC:EMC"
    results = (
        *ElectrolyteConductivity.results,
        ChoiceResult(name="look", levels=("clear", "cloudy", "crystals")),
        FlagResult(name="leaks"),
    )
    steps = (
        *ElectrolyteConductivity.steps,
        StepSpec(
            name="look_at_it", station="bench", needs=("measure",), expected_s=120, on_failure="ask",
            manual=Manual(
                task="Hold {container} {sample} ({molality:.2f} mol/kg) at {position} against the lamp, and look.",
                who="an operator",
                readings=(
                    ChoiceParameter(name="look", levels=("clear", "cloudy", "crystals")),
                    FlagParameter(name="leaks", description="whether the cap is wet"),
                    TextParameter(name="remark", max_length=100),
                ),
            ),
        ),
    )
'''

CAMPAIGN = """
name: inspection
title: Highest conductivity of LiPF6 in EC:DMC:EMC at 27 degC that stays clear
protocol: visual_inspection
prepare: [cell_calibration]
"""


def inspected_lab(folder: Path, *, people: str = "waits") -> Path:
    """Make it in `folder`; its campaign is ``inspection``.

    Args:
        folder: that does not exist yet.
        people: ``signs`` or ``waits``: what its simulation says of the people at the bench.
    """
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    lab = (folder / "lab_config" / "lab.yaml").read_text(encoding="utf-8")
    constants = lab.split("  electrolyte_conductivity:\n", 1)[1].split("  cell_calibration:\n", 1)[0]
    for name, changes in CHANGES.items():
        file = folder / name
        text = file.read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new.replace("{constants}", constants).replace("PEOPLE", people), 1)
        file.write_text(text, encoding="utf-8")
    (folder / "protocols" / "visual_inspection.py").write_text(PROTOCOL, encoding="utf-8")
    campaigns = folder / "lab_config" / "campaigns"
    text = (campaigns / "conductivity.yaml").read_text(encoding="utf-8")
    kept = text[text.index("space:") : text.index("# Means of the triplicates")]
    (campaigns / "inspection.yaml").write_text(CAMPAIGN.lstrip() + kept, encoding="utf-8")
    return folder
