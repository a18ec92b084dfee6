"""Pictures of a campaign as pure functions from data to SVG: one drawing for report, console and notebook."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from labwright.model.figures import figure, lasting, with_unit
from labwright.report.svg import BOTTOM, LEFT, LETTER, LINE, RIGHT, TOP, WIDTH, Axis, Levels, Picture, same_scale

Series = tuple[str, Sequence[float], Sequence[float]]
"""Label, numbers of the experiments, best value after each."""

_COLOURS = ("c1", "c2", "c3", "c4", "c5")
_DASHES = ("", "7 4", "2 4", "9 3 2 3", "1 3")


@dataclass(frozen=True)
class Bar:
    """A step on the timeline: station, label, lab seconds since the start, and how it ended (a word)."""

    station: str
    label: str
    start_s: float
    end_s: float
    state: str


def best_so_far(
    series: Sequence[Series],
    unit: str,
    optimum: float | None = None,
    lucky: Sequence[tuple[float, float]] = (),
    name: str = "best so far",
) -> str:
    """Best value against number of experiments, one step line per series.

    Args:
        series: estimate or true value of the best after each experiment, not the luckiest reading.
        unit: of the values.
        optimum: true optimum, where a simulated world knows it.
        lucky: number and measured mean of experiments whose mean was better than all before: marked, not joined.
        name: of the values, at their axis.
    """
    xs = [x for _, numbers, _ in series for x in numbers]
    ys = [y for _, _, values in series for y in values] + ([optimum] if optimum is not None else [])
    ys += [y for _, y in lucky]
    picture = Picture(
        "Best so far",
        "; ".join(
            f"{label}: {with_unit(figure(values[-1]), unit)} after {numbers[-1]:g}" for label, numbers, values in series
        ),
        Axis("experiments", 0, max(xs) + 1),
        Axis.around(_quantity(name, "" if unit == "1" else unit), ys),
    )
    if optimum is not None:
        picture.level(optimum, f"true optimum {figure(optimum)}")
    for index, (label, numbers, values) in enumerate(series):
        stairs_x, stairs_y = [numbers[0]], [values[0]]
        for x, y in zip(numbers[1:], values[1:], strict=True):
            stairs_x += [x, x]
            stairs_y += [stairs_y[-1], y]
        picture.line(stairs_x, stairs_y, _COLOURS[index % 5], label, _DASHES[index % 5])
    if lucky:
        picture.points([x for x, _ in lucky], [y for _, y in lucky], "c3", "best single means, as measured", "ring")
    return picture.svg()


def surrogate_slice(
    name: str,
    unit: str,
    objective: str,
    xs: Sequence[float],
    means: Sequence[float],
    sds: Sequence[float],
    measured: Sequence[tuple[float, float]],
) -> str:
    """The planner's model along one parameter, through the best point, with ±2σ and the measurements."""
    lows = [mean - 2 * sd for mean, sd in zip(means, sds, strict=True)]
    highs = [mean + 2 * sd for mean, sd in zip(means, sds, strict=True)]
    picture = Picture(
        f"Model along {name}",
        f"Mean and 2 sigma band of the planner's model of {objective} along {name}, the other parameters at the best "
        "point.",
        Axis.around(_quantity(name, unit), [*xs, *(x for x, _ in measured)], 0.03),
        Axis.around(objective, [*lows, *highs, *(y for _, y in measured)]),
        height=320,
    )
    picture.band(xs, lows, highs, "c1", "model ±2σ")
    picture.line(xs, means, "c1", "model")
    picture.points([x for x, _ in measured], [y for _, y in measured], "c2", "measured (all experiments)", "ring")
    return picture.svg()


def surrogate_levels(
    name: str,
    objective: str,
    levels: Sequence[str],
    means: Sequence[float],
    sds: Sequence[float],
    measured: Sequence[tuple[str, float]],
) -> str:
    """The planner's model at each level of a choice, the rest as at the best point, with ±2σ and the measurements."""
    lows = [mean - 2 * sd for mean, sd in zip(means, sds, strict=True)]
    highs = [mean + 2 * sd for mean, sd in zip(means, sds, strict=True)]
    picture = Picture(
        f"Model along {name}",
        f"Mean and 2 sigma interval of the planner's model of {objective} for each {name}, the other parameters at the "
        "best point.",
        Levels.of(name, levels),
        Axis.around(objective, [*lows, *highs, *(y for _, y in measured)]),
        height=320,
    )
    places = [float(place) for place in range(1, len(levels) + 1)]
    for place, low, high in zip(places, lows, highs, strict=True):
        picture.line([place, place], [low, high], "c1", "model ±2σ" if place == 1 else "")
    picture.points(places, means, "c1", "model", "cross")
    seen = [(places[levels.index(level)], y) for level, y in measured if level in levels]
    picture.points([x for x, _ in seen], [y for _, y in seen], "c2", "measured (all experiments)", "ring")
    return picture.svg()


def front_of(across: str, up: str, measured: Sequence[Sequence[float]], best: Sequence[Sequence[float]]) -> str:
    """Two objectives against each other; those on the Pareto front are crossed."""
    picture = Picture(
        "Pareto front",
        f"{up} against {across}; {len(best)} of {len(measured)} experiments are on the Pareto front.",
        Axis.around(across, [one[0] for one in measured]),
        Axis.around(up, [one[1] for one in measured]),
    )
    picture.points([one[0] for one in measured], [one[1] for one in measured], "c2", "experiments", "ring")
    picture.points([one[0] for one in best], [one[1] for one in best], "c1", "Pareto front", "cross")
    return picture.svg()


def nyquist(measured: Sequence[complex], fitted: Sequence[complex], resistance_ohm: float) -> str:
    """An impedance sweep in the complex plane, with its fit and the resistance read from it."""
    across = Axis.around("Re Z / Ω", [z.real for z in [*measured, *fitted]] + [resistance_ohm])
    up = Axis.around("-Im Z / Ω", [-z.imag for z in [*measured, *fitted]] + [0.0])
    wide, high, left = same_scale(across, up)
    picture = Picture(
        "Nyquist plot",
        f"Impedance of the cell with its fit; the electrolyte and leads together have {figure(resistance_ohm)} Ohm.",
        wide,
        high,
        left=left,
    )
    picture.line([z.real for z in fitted], [-z.imag for z in fitted], "c1", "fit: R + constant-phase element")
    picture.points([z.real for z in measured], [-z.imag for z in measured], "c2", "measured", "ring")
    picture.points([resistance_ohm], [0.0], "c3", f"R = {figure(resistance_ohm)} Ω", "cross")
    return picture.svg()


def parity(name: str, unit: str, nominal: Sequence[float], weighed: Sequence[float]) -> str:
    """Measured against nominal values: what was made, against what was requested of the pumps."""
    axis = Axis.around(_quantity(f"nominal {name}", unit), [*nominal, *weighed])
    picture = Picture(
        f"Parity of {name}",
        f"Measured against nominal {name}; the line is equality.",
        axis,
        Axis(_quantity(f"measured {name}", unit), axis.low, axis.high),
        height=360,
    )
    picture.line([axis.low, axis.high], [axis.low, axis.high], "c4", "equal", "7 4")
    picture.points(nominal, weighed, "c2", "experiments", "ring")
    return picture.svg()


def differences(
    name: str, unit: str, weighed: Sequence[float], nominal: Sequence[float], true: Sequence[float] | None = None
) -> str:
    """How far the nominal values, and the true ones that only a simulation knows, are from the measured ones."""
    series = [(nominal, "c2", "nominal - measured", "ring")]
    if true is not None:
        series.append((true, "c1", "true - measured (known because the world is simulated)", "cross"))
    numbers = [float(number) for number in range(1, len(weighed) + 1)]
    gaps = [[one - w for one, w in zip(values, weighed, strict=True)] for values, *_ in series]
    picture = Picture(
        f"Differences of {name}",
        f"Difference of nominal and measured {name} in each experiment.",
        Axis("experiment", 0, len(weighed) + 1),
        Axis.around(_quantity(f"Δ {name}", unit), [0.0, *(gap for one in gaps for gap in one)]),
        height=280,
    )
    picture.level(0.0, "")
    for gap, (_, colour, label, shape) in zip(gaps, series, strict=True):
        picture.points(numbers, gap, colour, label, shape)
    return picture.svg()


def timeline(bars: Sequence[Bar]) -> str:
    """The steps of each station over time; failed and stopped steps are labelled."""
    stations = sorted({bar.station for bar in bars})
    hours = max(bar.end_s for bar in bars) / 3600
    row = 44
    height = TOP + row * len(stations) + BOTTOM
    axis = Axis("hours of laboratory time", 0, hours * 1.001 or 1.0)
    left = max(LEFT + 48, 16 + LETTER * max((len(station) for station in stations), default=0))
    scale = (WIDTH - left - RIGHT) / (axis.high - axis.low)
    drawn = []
    for value, label in axis.labelled(WIDTH - left - RIGHT):
        x = round(left + value * scale, 2)
        drawn.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{TOP}" y2="{height - BOTTOM}"/>')
        drawn.append(f'<text x="{x}" y="{height - BOTTOM + 20}" text-anchor="middle">{label}</text>')
    for index, station in enumerate(stations):
        y = TOP + row * index
        drawn.append(f'<text x="{left - 8}" y="{y + 27}" text-anchor="end">{escape(station)}</text>')
        for bar in bars:
            if bar.station != station:
                continue
            x = round(left + bar.start_s / 3600 * scale, 2)
            width = max(0.8, round((bar.end_s - bar.start_s) / 3600 * scale - 0.2, 2))
            good = bar.state == "done"
            drawn.append(
                f'<rect x="{x}" y="{y + 8}" width="{width}" height="28" fill="var(--{"c1" if good else "c2"})">'
                f"<title>{escape(f'{bar.label}: {bar.state}, {lasting(bar.end_s - bar.start_s)}')}</title></rect>"
            )
            if not good:
                drawn.append(f'<text x="{x}" y="{y + 6}">{escape(bar.state)}</text>')
    title = f'<text x="{(left + WIDTH - RIGHT) / 2}" y="{height - 14}" text-anchor="middle">{axis.label}</text>'
    return (
        f'<svg class="lw" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="timeline-t timeline-d" '
        f'xmlns="http://www.w3.org/2000/svg"><title id="timeline-t">Timeline of the stations</title>'
        f'<desc id="timeline-d">{len(bars)} steps on {len(stations)} stations in {figure(hours, 3)} hours.</desc>'
        f"{''.join(drawn)}{title}</svg>"
    )


PLANNED, RUNNING = "planned", "running"
"""States of bars that have not ended."""

BOOKED = "booked"
"""State of a bar that is no step: the station is closed, or a person has it."""


def lab_timeline(bars: Sequence[Bar], stations: Sequence[str], from_s: float, until_s: float) -> str:
    """Steps of all campaigns on their stations, as done, as under way, and as planned, around now.

    Args:
        bars: in lab seconds from now; those before it are negative. Times in which a station is closed come first.
        stations: a row each, in this order.
        from_s: begin of the axis, lab seconds from now.
        until_s: its end.
    """
    row = 44
    top = TOP + LINE
    height = top + row * max(1, len(stations)) + BOTTOM
    axis = Axis("hours of laboratory time from now", from_s / 3600, until_s / 3600)
    left = max(LEFT + 48, 16 + LETTER * max((len(station) for station in stations), default=0))
    scale = (WIDTH - left - RIGHT) / (axis.high - axis.low)

    def place(at_s: float) -> float:
        return round(left + (min(max(at_s, from_s), until_s) / 3600 - axis.low) * scale, 2)

    drawn = []
    for value, label in axis.labelled(WIDTH - left - RIGHT):
        x = place(value * 3600)
        drawn.append(f'<line class="grid" x1="{x}" x2="{x}" y1="{top}" y2="{height - BOTTOM}"/>')
        drawn.append(f'<text x="{x}" y="{height - BOTTOM + 20}" text-anchor="middle">{label}</text>')
    for index, station in enumerate(stations):
        y = top + row * index
        drawn.append(f'<text x="{left - 8}" y="{y + 27}" text-anchor="end">{escape(station)}</text>')
        for bar in bars:
            if bar.station == station and bar.end_s > from_s and bar.start_s < until_s:
                drawn.append(_lab_bar(bar, place(bar.start_s), place(bar.end_s), y))
    x = place(0.0)
    drawn.append(
        f'<line class="axis" x1="{x}" x2="{x}" y1="{top - 8}" y2="{height - BOTTOM}" stroke-width="3"/>'
        f'<text x="{x}" y="{top - 12}" text-anchor="middle">now</text>'
    )
    title = f'<text x="{(left + WIDTH - RIGHT) / 2}" y="{height - 14}" text-anchor="middle">{axis.label}</text>'
    done, planned = (
        sum(bar.state not in (PLANNED, RUNNING, BOOKED) for bar in bars),
        sum(bar.state == PLANNED for bar in bars),
    )
    return (
        f'<svg class="lw" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="lab-timeline-t lab-timeline-d" '
        f'xmlns="http://www.w3.org/2000/svg"><title id="lab-timeline-t">Timeline of the lab</title>'
        f'<desc id="lab-timeline-d">{done} steps that have ended, filled, and {planned} planned, pale, on '
        f"{len(stations)} stations.</desc>{''.join(drawn)}{title}</svg>"
    )


def _lab_bar(bar: Bar, x0: float, x1: float, y: float) -> str:
    """A step: filled if it has ended, in another colour while it is under way, pale if it is planned."""
    width = max(1.0, round(x1 - x0 - 0.4, 2))
    if bar.state == BOOKED:
        words = escape(f"{bar.label}, {lasting(bar.end_s - bar.start_s)}")
        return (
            f'<rect x="{x0}" y="{y + 3}" width="{width}" height="38" fill="var(--c3)" fill-opacity="0.15" '
            f'stroke="var(--c3)" stroke-dasharray="1 3"><title>{words}</title></rect>'
        )
    colour = {PLANNED: "c1", RUNNING: "c4", "done": "c1"}.get(bar.state, "c2")
    pale = ' fill-opacity="0.18" stroke-opacity="0.5" stroke-width="0.5"' if bar.state == PLANNED else ""
    words = escape(f"{bar.label}: {bar.state}, {lasting(bar.end_s - bar.start_s)}")
    return (
        f'<rect x="{x0}" y="{y + 8}" width="{width}" height="28" fill="var(--{colour})" '
        f'stroke="var(--{colour})"{pale}>'
        f"<title>{words}</title></rect>"
    )


def _quantity(name: str, unit: str) -> str:
    return f"{name} / {unit}" if unit else name
