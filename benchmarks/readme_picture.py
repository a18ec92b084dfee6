"""Draws the README's picture from the data of a demo: `python -m benchmarks.readme_picture var/demo`."""

from __future__ import annotations

import sys
from pathlib import Path

from labwright.report import best_so_far, newest
from labwright.report.svg import STYLE

ROOT = Path(__file__).parents[1]


def main() -> None:
    """Write docs/report.svg."""
    record = newest(Path(sys.argv[1]), "conductivity")
    ours = [best for best in record.best_so_far() if best is not None]
    series = [("simulated campaign of the demo", list(range(1, len(ours) + 1)), ours)]
    compare = record.core.spec.compare
    if compare is not None:
        numbers, values = zip(*compare.best_so_far, strict=True)
        series.append((compare.title, [*numbers, compare.experiments], [*values, values[-1]]))
    picture = best_so_far(series, record.core.spec.objective.unit)
    # A picture of its own needs its style and its paper inside.
    inside = f"<style>{STYLE}.lw{{background:var(--paper)}}</style>"
    head, _, tail = picture.partition("<title")
    (ROOT / "docs" / "report.svg").write_text(f"{head}{inside}<title{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
