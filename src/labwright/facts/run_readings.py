"""What a run has recorded: its streams with their readings, and the values of one of them, to be drawn or listed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import orjson

from labwright.facts.exporting import FORMULA
from labwright.facts.runs import Documents


@dataclass(frozen=True)
class Reading:
    """What a stream records with each event.

    Attributes:
        name: of it.
        unit: of its values; empty if it has none.
        device: whose it is.
        kind: ``number``, ``integer``, ``string``, ``boolean`` or ``array``.
        shape: of an array.
    """

    name: str
    unit: str
    device: str
    kind: str
    shape: tuple[int, ...]

    @property
    def numeric(self) -> bool:
        """Whether it can be drawn: numbers, or lists of them."""
        return self.kind in ("number", "integer") or (self.kind == "array" and len(self.shape) == 1)


@dataclass
class Stream:
    """A stream of a run.

    Attributes:
        name: of it.
        readings: by their names.
        events: its event documents.
    """

    name: str
    readings: dict[str, Reading] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)


def streams_of(documents: Documents) -> dict[str, Stream]:
    """The streams of a run by name, each with its readings and events.

    Args:
        documents: of the run.
    """
    found: dict[str, Stream] = {}
    of: dict[str, Stream] = {}
    for name, document in documents:
        if name == "descriptor":
            stream = found.setdefault(document["name"], Stream(document["name"]))
            of[document["uid"]] = stream
            for key, about in document["data_keys"].items():
                unit, device = str(about.get("units") or ""), str(about.get("object_name") or "")
                shape = tuple(about.get("shape") or ())
                stream.readings[key] = Reading(key, unit, device, about.get("dtype", ""), shape)
        elif name == "event":
            of[document["descriptor"]].events.append(document)
    return found


def values_of(documents: Documents) -> Iterator[tuple[str, int, str, Any, str, float]]:
    """All readings of a run: stream, number of the event, name, value, unit, wall time of the event.

    Args:
        documents: of the run.
    """
    about: dict[str, Any] = {}
    for name, document in documents:
        if name == "descriptor":
            about[document["uid"]] = document
        elif name == "event":
            of = about[document["descriptor"]]
            for key, value in document["data"].items():
                unit = of["data_keys"][key].get("units") or ""
                yield of["name"], document["seq_num"], key, value, unit, document["time"]


HEADS = ("stream", "event", "reading", "value", "unit", "wall time (s)")


def csv_of(documents: Documents) -> Iterator[str]:
    """A run as lines of CSV, one a reading; what a spreadsheet would carry out as a formula begins with ``'``.

    Args:
        documents: of the run.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(HEADS)
    for row in values_of(documents):
        writer.writerow([_cell(value) for value in row])
        if text.tell() > 50_000:
            yield text.getvalue()
            text.seek(0)
            text.truncate()
    yield text.getvalue()


def thinned(count: int, most: int) -> list[int]:
    """Which of so many points are kept, evenly, if there may be no more than `most`; the first and the last always.

    Args:
        count: of the points.
        most: that are kept; at least two.
    """
    if count <= most:
        return list(range(count))
    return sorted({round(n * (count - 1) / (most - 1)) for n in range(most)})


def envelope(values: Sequence[float], most: int) -> list[int]:
    """Which points are drawn if there are more than `most`: of each stretch its lowest and its highest.

    Args:
        values: of the points.
        most: that are drawn.
    """
    if len(values) <= most:
        return list(range(len(values)))
    each = -(-len(values) * 2 // most)
    kept = {0, len(values) - 1}
    for begin in range(0, len(values), each):
        stretch = range(begin, min(begin + each, len(values)))
        kept |= {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
    return sorted(kept)


def plain(value: Any) -> str:
    """A value as text.

    Args:
        value: of a reading.
    """
    return orjson.dumps(value).decode() if isinstance(value, list | dict | bool) else str(value)


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value if isinstance(value, int | float) and not isinstance(value, bool) else plain(value)
