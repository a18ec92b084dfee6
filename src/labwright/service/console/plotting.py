"""A reading of a run as lines to be drawn, and as a table for those without scripts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from labwright.facts.run_readings import Reading, Stream, envelope, thinned

DRAWN_MOST = 4000
"""Points of a line that a browser gets: more than a screen is wide."""

LINES_MOST = 6
"""Newest lists of numbers that are drawn, each as a line."""

ROWS_MOST = 100
"""Of the table."""

Against = Literal["time", "point", "reading"]


@dataclass(frozen=True)
class Plot:
    """Lines over one axis.

    Attributes:
        reading: that is drawn.
        against: what it is drawn over: lab seconds since the first point, the number of the point, or another reading.
        over: that other reading; None if it is none.
        x: where the points are.
        lines: by the number of their event; of plain numbers there is one, for all events.
    """

    reading: Reading
    against: Against
    over: Reading | None
    x: list[float]
    lines: dict[int, list[float]]

    def drawn(self) -> dict[str, Any]:
        """For the browser: no more points than can be seen, with the lowest and the highest of each stretch."""
        kept = envelope(next(iter(self.lines.values())), DRAWN_MOST) if len(self.lines) == 1 else range(len(self.x))
        lines = [{"event": event, "y": [line[n] for n in kept]} for event, line in self.lines.items()]
        return {"x": [self.x[n] for n in kept], "lines": lines, "points": len(self.x)}

    def rows(self) -> list[tuple[float, list[float]]]:
        """For people: where a point is, and the value of each line there; sampled evenly if there are many."""
        return [(self.x[n], [line[n] for line in self.lines.values()]) for n in thinned(len(self.x), ROWS_MOST)]


def choices_of(stream: Stream, reading: Reading) -> list[str]:
    """What a reading may be drawn over: ``time``, ``point``, or names of other readings.

    Args:
        stream: that it is of.
        reading: that is drawn.
    """
    if reading.kind != "array":
        return ["time", "point"]
    alike = (one for one in stream.readings.values() if one.kind == "array" and one.shape == reading.shape)
    return ["point", *(one.name for one in alike if one.numeric and one.name != reading.name)]


def plot_of(stream: Stream, reading: Reading, against: str) -> Plot | None:
    """A reading over something; None if nothing of it was recorded, or its values are no numbers.

    Args:
        stream: that it is of.
        reading: that is drawn.
        against: one of `choices_of`.
    """
    events = [one for one in stream.events if reading.name in one["data"]]
    if not events or not reading.numeric:
        return None
    first_s = events[0]["timestamps"].get(reading.name, events[0]["time"])
    if reading.kind == "array":
        return _lists(stream, reading, against, events)
    points = [(one, one["data"][reading.name]) for one in events if _number(one["data"][reading.name])]
    if not points:
        return None
    if against == "time":
        x = [one["timestamps"].get(reading.name, one["time"]) - first_s for one, _ in points]
    else:
        x = [float(one["seq_num"]) for one, _ in points]
    return Plot(reading, "time" if against == "time" else "point", None, x, {0: [value for _, value in points]})


def _lists(stream: Stream, reading: Reading, against: str, events: list[dict[str, Any]]) -> Plot | None:
    """The newest lists, over the number of each point, or over the list that another reading has in the same event."""
    over = stream.readings.get(against)

    def where(event: dict[str, Any]) -> list[float]:
        return list(event["data"][over.name]) if over else [float(n) for n in range(1, 1 + len(values(event)))]

    def values(event: dict[str, Any]) -> list[float]:
        return list(event["data"][reading.name])

    good = [one for one in events if _numbers(values(one)) and _numbers(where(one)) and values(one)]
    if not good:
        return None
    x = where(good[-1])
    alike = [one for one in good if where(one) == x and len(values(one)) == len(x)][-LINES_MOST:]
    order = sorted(range(len(x)), key=x.__getitem__)
    lines = {int(one["seq_num"]): [values(one)[n] for n in order] for one in alike}
    return Plot(reading, "reading" if over else "point", over, [x[n] for n in order], lines)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _numbers(values: list[Any]) -> bool:
    return all(map(_number, values))
