"""What if the lab were another: one more station or transport, other slots, a station out of order for a time.

A what-if is written as a person would say it: ``more arm``, ``slots stirring 8``, ``down impedance 9:00-12:00``,
``down impedance 2026-12-01T09:00+09:00/2026-12-01T17:00+09:00``, ``parallel 4``; several at once with commas between.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from pydantic import ValidationError

from labwright.engine.campaign_plan import Down
from labwright.engine.layout import Bench, Carrier, Layout, Site
from labwright.model.availability import Availability
from labwright.model.calendars import MaintenanceSpec
from labwright.model.errors import ConfigError, unknown
from labwright.model.words import what_is_wrong

__all__ = ["FORMS", "WhatIf", "what_if"]

FORMS = "more NAME | slots STATION NUMBER | down NAME FROM-UNTIL | down NAME START/END | parallel NUMBER"
"""What can be said."""

MOST = 1000
"""Slots of a station, and samples in flight."""

_TIME = r"(\d+(?:\.\d+)?|\d+:[0-5]\d)"
_DOWN = re.compile(rf"{_TIME}-{_TIME}")


@dataclass(frozen=True)
class WhatIf:
    """A lab that is changed.

    Attributes:
        words: as it was said.
        layout: of the changed lab.
        downs: stations that are out of order for a time.
        parallel: samples on their way at once, of each campaign; as its file says if None.
    """

    words: str
    layout: Layout
    downs: tuple[Down, ...] = ()
    parallel: int | None = None


def what_if(words: str, layout: Layout) -> WhatIf:
    """Change a lab as is said.

    Args:
        words: such as ``more arm, parallel 4``.
        layout: of the lab as it is.

    Raises:
        ConfigError: it is not understood, or names what the lab has not.
    """
    found = WhatIf(words, layout)
    for part in words.split(","):
        match part.split():
            case ["more", name]:
                found = replace(found, layout=_more(found.layout, name, words))
            case ["slots", station, number]:
                found = replace(found, layout=_slots(found.layout, station, _number(number, words), words))
            case ["down", name, hours] if "/" in hours:
                found = replace(found, layout=_closed(found.layout, name, hours, words))
            case ["down", name, hours]:
                found = replace(found, downs=(*found.downs, *_downs(found.layout, name, hours, words)))
            case ["parallel", number]:
                found = replace(found, parallel=_number(number, words))
            case _:
                raise ConfigError(f"--what-if {words!r}: {part.strip()!r} is not understood; write {FORMS}")
    return found


def _number(text: str, words: str) -> int:
    if not (text.isascii() and text.isdecimal() and 1 <= int(text) <= MOST):
        raise ConfigError(f"--what-if {words!r}: {text!r} is no whole number of 1 to {MOST}")
    return int(text)


def _downs(layout: Layout, name: str, hours: str, words: str) -> Iterable[Down]:
    times = _DOWN.fullmatch(hours)
    if times is None:
        raise ConfigError(f"--what-if {words!r}: {hours!r} are no hours from the start, as in 9:00-12:30 or 9-12.5")
    from_s, until_s = map(_seconds, times.groups())
    if until_s <= from_s:
        raise ConfigError(f"--what-if {words!r}: {hours!r} ends before it begins")
    station = layout.carriers[name].station if name in layout.carriers else name
    if station not in _stations(layout):
        raise _unknown(layout, name, words)
    yield Down(station, from_s, until_s)


def _closed(layout: Layout, name: str, times: str, words: str) -> Layout:
    """The lab with a station that is closed between two dates, as is known before."""
    station = layout.carriers[name].station if name in layout.carriers else name
    if station not in _stations(layout):
        raise _unknown(layout, name, words)
    starts, _, ends = times.partition("/")
    try:
        closed = MaintenanceSpec.model_validate({"station": station, "starts": starts, "ends": ends, "why": "what if"})
    except ValidationError as error:
        raise ConfigError(f"--what-if {words!r}: {times!r}: {what_is_wrong(error)}") from error
    known = layout.calendar.get(station, Availability())
    return replace(layout, calendar={**layout.calendar, station: known.also(closed)})


def _seconds(hours: str) -> float:
    whole, _, minutes = hours.partition(":")
    return 3600 * float(whole) + 60 * float(minutes or 0)


def _stations(layout: Layout) -> list[str]:
    return list(dict.fromkeys([*layout.benches, *(carrier.station for carrier in layout.carriers.values())]))


def _unknown(layout: Layout, name: str, words: str) -> ConfigError:
    known = [*layout.benches, *layout.carriers]
    return ConfigError(f"--what-if {words!r}: {unknown('station or transport', name, known)}")


def _new(name: str, known: Iterable[str]) -> str:
    taken = set(known)
    return next(found for number in range(2, len(taken) + 3) if (found := f"{name}_{number}") not in taken)


def _more(layout: Layout, name: str, words: str) -> Layout:
    """The lab with another station or transport like the one of this name, with devices of its own."""
    if name in layout.carriers:
        like = layout.carriers[name]
        bench = layout.serving_one(like.station)
        station = _new(bench.name, layout.benches)
        arm = _new(name, layout.carriers)
        carriers = {**layout.carriers, arm: replace(like, name=arm, station=station)}
        return replace(
            layout,
            benches={**layout.benches, bench.name: bench, station: replace(bench, name=station)},
            carriers=carriers,
        )
    if name not in layout.benches:
        raise _unknown(layout, name, words)
    bench = layout.benches[name]
    station = _new(name, layout.benches)
    twins: dict[str, str] = {}
    for site in layout.sites.values():
        if site.station == name:
            twins[site.name] = _new(site.name, [*layout.sites, *twins.values()])
    return _with_sites(layout, {**layout.benches, station: replace(bench, name=station)}, twins, station)


def _slots(layout: Layout, station: str, number: int, words: str) -> Layout:
    """The lab with so many slots, each at a position of its own, at a station."""
    if station not in layout.benches:
        raise ConfigError(f"--what-if {words!r}: {unknown('station', station, list(layout.benches))}")
    mine = [site.name for site in layout.sites.values() if site.station == station]
    if not mine:
        raise ConfigError(f"--what-if {words!r}: no sample is brought to station {station}, so it has no slots")
    benches: dict[str, Bench] = {**layout.benches, station: replace(layout.benches[station], slots=number)}
    if number <= len(mine):
        gone = set(mine[number:])
        sites = {name: site for name, site in layout.sites.items() if name not in gone}
        carriers = {name: replace(one, reaches=one.reaches - gone) for name, one in layout.carriers.items()}
        return replace(layout, sites=sites, benches=benches, carriers=carriers)
    changed = replace(layout, benches=benches)
    for _ in range(number - len(mine)):
        changed = _with_sites(changed, benches, {mine[0]: _new(mine[0], changed.sites)}, station)
    return changed


def _with_sites(layout: Layout, benches: dict[str, Bench], twins: dict[str, str], station: str) -> Layout:
    """The lab with more positions, which whatever reaches those they are like reaches too."""
    more: dict[str, Site] = {
        twin: replace(layout.sites[like], name=twin, station=station) for like, twin in twins.items()
    }
    carriers: dict[str, Carrier] = {
        name: replace(one, reaches=one.reaches | {twin for like, twin in twins.items() if like in one.reaches})
        for name, one in layout.carriers.items()
    }
    return replace(layout, sites={**layout.sites, **more}, benches=benches, carriers=carriers)
