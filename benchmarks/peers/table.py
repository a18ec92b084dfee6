"""The table that is printed: Markdown, as it stands in README.md."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

Makespans = dict[int, tuple[list[float], int]]
"""By number of samples: makespan by the largest bound of each instance, and limited waits that were not kept in all."""


@dataclass(frozen=True)
class Row:
    """A system.

    Attributes:
        system: name, and how it was set.
        version: of it.
        how: "run", "imitated", or "not run" and why.
        steps_per_s: no-op steps a second over ten stations, one for each round; none if not measured.
        step_ms: milliseconds a no-op step of a single sample, one for each round; none if not measured.
        makespans: on the generated laboratories; None if they cannot be expressed.
        cannot: why not.
    """

    system: str
    version: str
    how: str
    steps_per_s: Sequence[float] = ()
    step_ms: Sequence[float] = ()
    makespans: Makespans | None = None
    cannot: str = ""

    def cells(self, samples: Sequence[int]) -> list[str]:
        """As text."""
        words = [self.system, self.version, self.how, _middle(self.steps_per_s), _middle(self.step_ms)]
        for number in samples:
            if self.makespans is None:
                words.append(f"does not go: {self.cannot}" if self.cannot else "")
            else:
                ratios, late = self.makespans[number]
                words.append(f"{statistics.mean(ratios):.2f} ({late} late)")
        return words


def print_table(rows: Sequence[Row], samples: Sequence[int], seeds: int) -> None:
    """Print all rows."""
    print(f"Makespan by the largest bound: mean of {seeds} instances each, seeds 0 to {seeds - 1}.\n")
    heads = ["system", "version", "how", "no-op steps/s, ten stations", "ms a step, one sample"]
    heads += [f"makespan, {number} samples" for number in samples]
    for cells in (heads, ["---"] * len(heads), *(row.cells(samples) for row in rows)):
        print(f"| {' | '.join(cell.replace('|', '/') for cell in cells)} |")


def _middle(values: Sequence[float]) -> str:
    """The median, and from where to where they went."""
    if not values:
        return ""
    middle = _number(statistics.median(values))
    return f"{middle} ({_number(min(values))} to {_number(max(values))})" if len(values) > 1 else middle


def _number(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"
