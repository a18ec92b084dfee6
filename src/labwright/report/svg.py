"""A small drawing board: axes, lines, points, bands and bars as SVG text. Colours come from CSS variables."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 88, 20, 20, 58

TINY = 1e-9
"""Smaller than anything a laboratory measures in its units; drawn as zero."""

STYLE = """
.lw{--ink:#1c2733;--grid:#d7dde3;--paper:#fff;--c1:#0b6e99;--c2:#c4511a;--c3:#6a4c93;--c4:#2e7d4f;--c5:#8a6d00}
.lw text{fill:var(--ink);font:15px system-ui,sans-serif}
.lw .grid{stroke:var(--grid);stroke-width:1}
.lw .axis{stroke:var(--ink);stroke-width:1.2}
@media(max-width:640px){.lw text{font-size:20px}}
@media(prefers-color-scheme:dark){.lw{--ink:#e3e9ee;--grid:#3a4652;--paper:#141b22;--c1:#5bb8e0;--c2:#f0935f;
--c3:#b79be0;--c4:#6cc490;--c5:#d9bb45}}
"""


@dataclass
class Axis:
    """One direction of a picture.

    Args:
        label: quantity and unit.
        low: smallest value shown.
        high: largest.
    """

    label: str
    low: float
    high: float

    @classmethod
    def around(cls, label: str, values: Sequence[float], margin: float = 0.06) -> Axis:
        """An axis that holds all `values`, with some air.

        Raises:
            ValueError: one of them is not finite, or there are none.
        """
        if not values or not all(math.isfinite(one) for one in values):
            raise ValueError(f"an axis {label!r} needs finite values, not {list(values)[:5]}")
        low, high = min(values), max(values)
        size = max(abs(low), abs(high))
        if size < TINY:
            air = 1.0
        elif high - low < 1e-9 * size:  # the same number but for rounding
            air = size * margin
        else:
            air = (high - low) * margin
        return cls(label, low - air, high + air)

    def ticks(self) -> list[float]:
        """About five round numbers inside."""
        raw = (self.high - self.low) / 5
        power = 10 ** math.floor(math.log10(raw))
        step = next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= raw * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [
            round(first * step + index * step, 12) for index in range(int((self.high - first * step) / step + 1e-9) + 1)
        ]


@dataclass
class Picture:
    """A picture with two axes.

    Args:
        title: what it shows; read aloud by screen readers.
        description: what is to be seen in it, in a sentence.
        x: horizontal axis.
        y: vertical axis.
    """

    title: str
    description: str
    x: Axis
    y: Axis
    height: int = HEIGHT
    parts: list[str] = field(default_factory=list)
    legend: list[tuple[str, str, str]] = field(default_factory=list)

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the data lies on the board."""
        across = (x - self.x.low) / (self.x.high - self.x.low)
        up = (y - self.y.low) / (self.y.high - self.y.low)
        return (
            round(LEFT + across * (WIDTH - LEFT - RIGHT), 2),
            round(self.height - BOTTOM - up * (self.height - TOP - BOTTOM), 2),
        )

    def line(self, xs: Sequence[float], ys: Sequence[float], colour: str, label: str = "", dash: str = "") -> None:
        """A line through points."""
        points = " ".join("{},{}".format(*self.place(x, y)) for x, y in zip(xs, ys, strict=True))
        style = f' stroke-dasharray="{dash}"' if dash else ""
        self.parts.append(
            f'<polyline points="{points}" fill="none" stroke="var(--{colour})" stroke-width="2.4"{style}/>'
        )
        if label:
            self.legend.append((label, colour, "dash" if dash else "line"))

    def points(
        self, xs: Sequence[float], ys: Sequence[float], colour: str, label: str = "", shape: str = "dot"
    ) -> None:
        """Points; `shape` is ``dot``, ``ring`` or ``cross``, so that colour is never the only difference."""
        for x, y in zip(xs, ys, strict=True):
            self.parts.append(_mark(*self.place(x, y), colour, shape))
        if label:
            self.legend.append((label, colour, shape))

    def band(self, xs: Sequence[float], lows: Sequence[float], highs: Sequence[float], colour: str, label: str) -> None:
        """The area between two curves."""
        there = [self.place(x, y) for x, y in zip(xs, highs, strict=True)]
        back = [self.place(x, y) for x, y in zip(reversed(xs), reversed(lows), strict=True)]
        points = " ".join(f"{x},{y}" for x, y in there + back)
        self.parts.insert(0, f'<polygon points="{points}" fill="var(--{colour})" opacity="0.18"/>')
        self.legend.append((label, colour, "area"))

    def level(self, y: float, label: str) -> None:
        """A horizontal line with a name."""
        x0, y0 = self.place(self.x.low, y)
        self.parts.append(
            f'<line x1="{x0}" x2="{WIDTH - RIGHT}" y1="{y0}" y2="{y0}" class="axis" stroke-dasharray="2 4"/>'
            f'<text x="{WIDTH - RIGHT - 4}" y="{y0 - 6}" text-anchor="end">{escape(label)}</text>'
        )

    def svg(self) -> str:
        """The picture as an SVG element."""
        name = "".join(one if one.isalnum() else "-" for one in self.title.lower())
        return (
            f'<svg class="lw" viewBox="0 0 {WIDTH} {self.height + 24 * len(self.legend)}" role="img" '
            f'aria-labelledby="{name}-t {name}-d" xmlns="http://www.w3.org/2000/svg">'
            f'<title id="{name}-t">{escape(self.title)}</title><desc id="{name}-d">{escape(self.description)}</desc>'
            f"{self._axes()}{''.join(self.parts)}{self._legend()}</svg>"
        )

    def _axes(self) -> str:
        drawn = []
        for value in self.x.ticks():
            x, _ = self.place(value, self.y.low)
            drawn.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{self.height - BOTTOM}"/>')
            drawn.append(f'<text x="{x}" y="{self.height - BOTTOM + 20}" text-anchor="middle">{value:g}</text>')
        for value in self.y.ticks():
            _, y = self.place(self.x.low, value)
            drawn.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
            drawn.append(f'<text x="{LEFT - 8}" y="{y + 5}" text-anchor="end">{value:g}</text>')
        middle_x, middle_y = (LEFT + WIDTH - RIGHT) / 2, (TOP + self.height - BOTTOM) / 2
        drawn.append(
            f'<text x="{middle_x}" y="{self.height - 14}" text-anchor="middle">{escape(self.x.label)}</text>'
            f'<text x="18" y="{middle_y}" text-anchor="middle" transform="rotate(-90 18 {middle_y})">'
            f"{escape(self.y.label)}</text>"
            f'<line class="axis" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{self.height - BOTTOM}" '
            f'y2="{self.height - BOTTOM}"/><line class="axis" x1="{LEFT}" x2="{LEFT}" y1="{TOP}" '
            f'y2="{self.height - BOTTOM}"/>'
        )
        return "".join(drawn)

    def _legend(self) -> str:
        drawn = []
        for index, (label, colour, shape) in enumerate(self.legend):
            y = self.height + 12 + 24 * index
            if shape in ("line", "dash"):
                dash = ' stroke-dasharray="6 4"' if shape == "dash" else ""
                drawn.append(
                    f'<line x1="{LEFT}" x2="{LEFT + 28}" y1="{y}" y2="{y}" stroke="var(--{colour})" '
                    f'stroke-width="2.4"{dash}/>'
                )
            elif shape == "area":
                drawn.append(
                    f'<rect x="{LEFT}" y="{y - 7}" width="28" height="14" fill="var(--{colour})" opacity="0.3"/>'
                )
            else:
                drawn.append(_mark(LEFT + 14, y, colour, shape))
            drawn.append(f'<text x="{LEFT + 38}" y="{y + 5}">{escape(label)}</text>')
        return "".join(drawn)


def same_scale(x: Axis, y: Axis, height: int = HEIGHT) -> tuple[Axis, Axis]:
    """Both axes widened until a unit is as long on one as on the other, as an impedance is drawn."""
    wide, high = WIDTH - LEFT - RIGHT, height - TOP - BOTTOM
    unit = max((x.high - x.low) / wide, (y.high - y.low) / high)
    more_x, more_y = unit * wide - (x.high - x.low), unit * high - (y.high - y.low)
    return (
        Axis(x.label, x.low - more_x / 2, x.high + more_x / 2),
        Axis(y.label, y.low - more_y / 2, y.high + more_y / 2),
    )


def _mark(x: float, y: float, colour: str, shape: str) -> str:
    if shape == "cross":
        return (
            f'<path d="M{x - 5} {y - 5}L{x + 5} {y + 5}M{x - 5} {y + 5}L{x + 5} {y - 5}" stroke="var(--{colour})" '
            'stroke-width="2.2"/>'
        )
    fill = f"var(--{colour})" if shape == "dot" else "var(--paper)"
    return f'<circle cx="{x}" cy="{y}" r="4.5" fill="{fill}" stroke="var(--{colour})" stroke-width="2"/>'
