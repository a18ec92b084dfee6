"""A Gantt chart in characters, and how a drawing becomes a file of its own."""

from __future__ import annotations

from collections.abc import Sequence

from labwright.report.pictures import Bar
from labwright.report.svg import STYLE, Axis

SHADES = "·░▒▓█"
"""What a share of the time of a cell looks like that is busy: none, a third, two thirds, most, all."""


def gantt(bars: Sequence[Bar], columns: int = 80) -> list[str]:
    """The stations over time, a line each, and the hours below.

    Args:
        bars: steps.
        columns: width of the terminal, in characters.
    """
    if not bars:
        return []
    stations = sorted({bar.station for bar in bars})
    name = min(max(map(len, stations)), columns // 4)
    wide = columns - name - 2
    end_s = max(bar.end_s for bar in bars) or 1.0
    lines = []
    for station in stations:
        busy = [0.0] * wide
        for bar in bars:
            if bar.station == station:
                _add(busy, bar.start_s / end_s * wide, bar.end_s / end_s * wide)
        lines.append(f"{station[:name]:{name}}  {''.join(map(_shade, busy))}")
    axis = Axis("hours", 0, end_s / 3600)
    marks = [" "] * (wide + name + 2)
    for hours, label in axis.labelled():
        text = f"{label} h"
        at = min(name + 2 + round(hours * 3600 / end_s * wide), len(marks) - len(text))
        if all(one == " " for one in marks[max(0, at - 1) : at + len(text)]):
            marks[at : at + len(text)] = text
    return [*lines, "".join(marks).rstrip()]


def _add(busy: list[float], start: float, end: float) -> None:
    for cell in range(int(start), min(len(busy), int(end) + 1)):
        busy[cell] += max(0.0, min(end, cell + 1) - max(start, cell))


def _shade(share: float) -> str:
    if share <= 0:
        return SHADES[0]
    return SHADES[4] if share >= 0.999 else SHADES[1 + min(2, int(3 * share))]


def standalone(svg: str) -> str:
    """A drawing as a file of its own, with its colours and a paper behind it."""
    head, rest = svg.split(">", 1)
    return f"{head}><style>{STYLE}.lw{{background:var(--paper)}}</style>{rest}\n"
