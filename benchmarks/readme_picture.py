"""Draws the README's picture from the data of a demo: `python -m benchmarks.readme_picture var/demo`."""

from __future__ import annotations

import sys
from pathlib import Path

from labwright.clock import SteppedClock
from labwright.lab import read_lab
from labwright.lab.classes import resolve
from labwright.planners import load_planner
from labwright.report import newest
from labwright.report.best import best_card
from labwright.report.svg import STYLE
from labwright.simulation import SimulatedLab

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Write docs/report.svg."""
    record = newest(Path(sys.argv[1]), "conductivity")
    planner = load_planner(record.core.spec.planner)
    # Another world of the same lab: what is true of a composition is true in all of them.
    with SimulatedLab(read_lab(ROOT).model, SteppedClock(), resolve, seed=record.core.spec.seed) as twin:
        picture = str(best_card(record, planner, planner.best(record.core.state()), twin.world).picture)
    # A picture of its own needs its style and its paper inside.
    inside = f"<style>{STYLE}.lw{{background:var(--paper)}}</style>"
    head, _, tail = picture.partition("<title")
    (ROOT / "docs" / "report.svg").write_text(f"{head}{inside}<title{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
