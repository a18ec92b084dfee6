"""A small drawing board: axes, lines, points, bands and bars as SVG text. Colours come from CSS variables."""

from __future__ import annotations

import math
import textwrap
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from labwright.model.figures import evenly
from labwright.model.unit_signs import with_signs

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 88, 20, 20, 58
LINE = 26
"""Height of a line of the legend."""

TINY = 1e-290
"""So small that a double has no room for an axis around it; drawn as zero."""

SAME = 1e-13
"""Values closer than this, relative to their size, differ by rounding only."""

LETTER = 12.6
"""Width of a letter in the largest type, which small screens get, in units of the board."""

SMALL_LETTER = 9.5
"""Width of a letter in the type of larger screens."""

STYLE = """
.lw{--ink:#1c2733;--grid:#d7dde3;--paper:#fff;--c1:#0b6e99;--c2:#c4511a;--c3:#6a4c93;--c4:#2e7d4f;--c5:#8a6d00}
.lw text{fill:var(--ink);font:15px system-ui,sans-serif}
.lw .grid{stroke:var(--grid);stroke-width:1}
.lw .axis{stroke:var(--ink);stroke-width:1.2}
@media(max-width:640px){.lw text:not(.long){font-size:20px}}
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
        elif high - low < SAME * size:
            air = size * margin
        else:
            air = (high - low) * margin
        return cls(label, low - air, high + air)

    def step(self, most: int = 5) -> float:
        """A round distance of ticks, of which about `most` fit."""
        raw = (self.high - self.low) / most
        power = 10.0 ** math.floor(math.log10(raw))
        return next(size * power for size in (1, 2, 2.5, 5, 10) if size * power >= raw * 0.999)

    def ticks(self, most: int = 5) -> list[float]:
        """About `most` round numbers inside."""
        step = self.step(most)
        first = math.ceil(self.low / step - 1e-9)
        places = 2 - math.floor(math.log10(step))
        number = int((self.high - first * step) / step + 1e-9) + 1
        return [round((first + index) * step, places) for index in range(number)]

    def labelled(self, room: float = math.inf) -> list[tuple[float, str]]:
        """Ticks and their labels, so few that they fit into `room` side by side."""
        for most in (5, 4, 3, 2):
            ticks = self.ticks(most)
            labels = evenly(ticks, self.step(most))
            if sum(len(label) + 1 for label in labels) * LETTER <= room:
                break
        return list(zip(ticks, labels, strict=True))

    def margin(self) -> float:
        """Room for the labels of this axis and its title, standing upright at the left."""
        return max(LEFT, 38 + LETTER * max((len(label) for _, label in self.labelled()), default=0))


@dataclass
class Levels(Axis):
    """A direction with names instead of numbers: the first is at 1, the second at 2.

    Args:
        label: quantity.
        low: half before the first.
        high: half behind the last.
        names: of the levels.
    """

    names: Sequence[str] = ()

    @classmethod
    def of(cls, label: str, names: Sequence[str]) -> Levels:
        """An axis for these."""
        return cls(label, 0.5, len(names) + 0.5, names)

    def labelled(self, room: float = math.inf) -> list[tuple[float, str]]:
        """All names, each shortened to its share of `room`."""
        letters = max(2, int(min(room, 1e6) / max(1, len(self.names)) / LETTER))
        short = [one if len(one) <= letters else f"{one[: letters - 1]}…" for one in self.names]
        return [(float(place), escape(one)) for place, one in enumerate(short, 1)]


@dataclass
class Picture:
    """A picture with two axes.

    Args:
        title: what it shows; read aloud by screen readers.
        description: what is to be seen in it, in a sentence.
        x: horizontal axis.
        y: vertical axis.
        left: room for the labels of the vertical axis; as much as they need if 0.
    """

    title: str
    description: str
    x: Axis
    y: Axis
    height: int = HEIGHT
    left: float = 0.0
    parts: list[str] = field(default_factory=list)
    legend: list[tuple[str, str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = self.left or self.y.margin()

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Where a point of the data lies on the board."""
        across = (x - self.x.low) / (self.x.high - self.x.low)
        up = (y - self.y.low) / (self.y.high - self.y.low)
        return (
            round(self.left + across * (WIDTH - self.left - RIGHT), 2),
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
        said = f"{self.title} {self.description} {self.x.label} {self.y.label}"
        name = f"lw-{zlib.crc32(said.encode()):x}"  # a page may have several of one title
        legend, rows = self._legend()
        return (
            f'<svg class="lw" viewBox="0 0 {WIDTH} {self.height + LINE * rows}" role="img" '
            f'aria-labelledby="{name}-t {name}-d" xmlns="http://www.w3.org/2000/svg">'
            f'<title id="{name}-t">{escape(self.title)}</title><desc id="{name}-d">{escape(self.description)}</desc>'
            f"{self._axes()}{''.join(self.parts)}{legend}</svg>"
        )

    def _axes(self) -> str:
        left, bottom = self.left, self.height - BOTTOM
        wide, high = WIDTH - left - RIGHT, bottom - TOP
        drawn = []
        for value, label in self.x.labelled(wide):
            x, _ = self.place(value, self.y.low)
            drawn.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{bottom}"/>')
            inside = min(x, round(WIDTH - LETTER * len(label) / 2, 2))  # the last label would reach beyond the edge
            drawn.append(f'<text x="{inside}" y="{bottom + 20}" text-anchor="middle">{label}</text>')
        for value, label in self.y.labelled():
            _, y = self.place(self.x.low, value)
            drawn.append(f'<line class="grid" x1="{left}" x2="{WIDTH - RIGHT}" y1="{y}" y2="{y}"/>')
            drawn.append(f'<text x="{left - 8}" y="{y + 5}" text-anchor="end">{label}</text>')
        middle_x, middle_y = left + wide / 2, TOP + high / 2
        drawn.append(
            f'<text x="{middle_x}" y="{self.height - 14}" text-anchor="middle"{_fitted(self.x.label, wide)}>'
            f"{escape(with_signs(self.x.label))}</text>"
            f'<text x="20" y="{middle_y}" text-anchor="middle" transform="rotate(-90 20 {middle_y})"'
            f"{_fitted(self.y.label, high + TOP)}>{escape(with_signs(self.y.label))}</text>"
            f'<line class="axis" x1="{left}" x2="{WIDTH - RIGHT}" y1="{bottom}" y2="{bottom}"/>'
            f'<line class="axis" x1="{left}" x2="{left}" y1="{TOP}" y2="{bottom}"/>'
        )
        return "".join(drawn)

    def _legend(self) -> tuple[str, int]:
        """The legend, and how many lines it has; a long entry is broken."""
        drawn, row = [], 0
        for label, colour, shape in self.legend:
            y = self.height + LINE // 2 + LINE * row
            if shape in ("line", "dash"):
                dash = ' stroke-dasharray="6 4"' if shape == "dash" else ""
                drawn.append(
                    f'<line x1="8" x2="36" y1="{y}" y2="{y}" stroke="var(--{colour})" stroke-width="2.4"{dash}/>'
                )
            elif shape == "area":
                drawn.append(f'<rect x="8" y="{y - 7}" width="28" height="14" fill="var(--{colour})" opacity="0.3"/>')
            else:
                drawn.append(_mark(22, y, colour, shape))
            for text in textwrap.wrap(label, int((WIDTH - 46) / LETTER)) or [""]:
                drawn.append(f'<text x="46" y="{self.height + LINE // 2 + LINE * row + 5}">{escape(text)}</text>')
                row += 1
        return "".join(drawn), row


def same_scale(x: Axis, y: Axis, height: int = HEIGHT) -> tuple[Axis, Axis, float]:
    """Both axes widened until a unit is as long on one as on the other, as an impedance is drawn; and left margin."""
    left, wide, high = y.margin(), x, y
    while True:
        across, up = WIDTH - left - RIGHT, height - TOP - BOTTOM
        unit = max((x.high - x.low) / across, (y.high - y.low) / up)
        more_x, more_y = unit * across - (x.high - x.low), unit * up - (y.high - y.low)
        wide = Axis(x.label, x.low - more_x / 2, x.high + more_x / 2)
        high = Axis(y.label, y.low - more_y / 2, y.high + more_y / 2)
        if high.margin() <= left:
            return wide, high, left
        left = high.margin()


def _fitted(text: str, room: float) -> str:
    """What keeps a title within `room`: the smaller type everywhere, and if that is too long too, pressed together."""
    if len(text) * LETTER <= room:
        return ""
    pressed = f' textLength="{room:.0f}" lengthAdjust="spacingAndGlyphs"' if len(text) * SMALL_LETTER > room else ""
    return f' class="long"{pressed}'


def _mark(x: float, y: float, colour: str, shape: str) -> str:
    if shape == "cross":
        return (
            f'<path d="M{x - 5} {y - 5}L{x + 5} {y + 5}M{x - 5} {y + 5}L{x + 5} {y - 5}" stroke="var(--{colour})" '
            'stroke-width="2.2"/>'
        )
    fill = f"var(--{colour})" if shape == "dot" else "var(--paper)"
    return f'<circle cx="{x}" cy="{y}" r="4.5" fill="{fill}" stroke="var(--{colour})" stroke-width="2"/>'
