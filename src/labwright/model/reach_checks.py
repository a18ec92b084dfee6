"""Whether transports bring containers to where they are needed."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping

from labwright.model.references import References
from labwright.model.sections import LabSections


def check_transports(lab: LabSections, starts: Mapping[str, set[str]], found: References) -> None:
    """Say what transports do not reach.

    Args:
        lab: the lab.
        starts: by kind of labware, positions that hold a container of that kind at the first fill.
        found: takes what is wrong.
    """
    for name, transport in lab.transports.items():
        found.refer("stations", "station", transport.station, "transports", name, "station")
        for index, kind in enumerate(transport.labware):
            found.refer("labware", "labware", kind, "transports", name, "labware", str(index))
        taught: dict[str, str] = {}
        for place, location in transport.reaches.items():
            where = ("transports", name, "reaches", place)
            known = found.refer("positions", "position", place, *where)
            first = taught.setdefault(json.dumps(location, sort_keys=True), place)
            if first != place:
                found.say(f"the same taught location {json.dumps(location)} as {first!r}", *where)
            if known and not any(transport.can_carry(kind) for kind in lab.positions[place].takes):
                takes = ", ".join(lab.positions[place].takes)
                found.say(f"takes only {takes}, and {name} carries {', '.join(transport.labware)}", *where)
    if lab.transports and found.whole("positions", "transports", "labware"):
        _unreached(lab, starts, found)


def _unreached(lab: LabSections, starts: Mapping[str, set[str]], found: References) -> None:
    """Positions that no transport reaches, and positions at stations to which nothing comes that is needed there."""
    reached = {place for transport in lab.transports.values() for place in transport.reaches}
    for place, position in lab.positions.items():
        if place not in reached:
            arm = next(iter(lab.transports))
            found.say(f"no transport reaches it; write its location into transports.{arm}.reaches", "positions", place)
            continue
        if not position.station:
            continue
        begins = {kind: _starts(lab, kind, starts) for kind in position.takes}
        if not any(begins.values()):
            continue  # nothing of the kind is here yet; people bring it, and put it where they like
        if not any(place in brought(lab, kind, begins[kind]) for kind in position.takes):
            kinds = " or ".join(kind for kind in position.takes if begins[kind])
            first = next(one for places in begins.values() for one in sorted(places, key=[*lab.positions].index))
            found.say(
                f"no {kinds} can be brought here from {first}: no chain of transports and hand-over positions that "
                f"take it leads to {place}; let two transports reach one position in common",
                "positions", place,
            )  # fmt: skip


def _starts(lab: LabSections, kind: str, starts: Mapping[str, set[str]]) -> set[str]:
    """Where a container of a kind can begin its way: where one stands, or where one is stored."""
    if there := starts.get(kind):
        return there
    return {place for place, one in lab.positions.items() if kind in one.takes and not one.station and not one.leaves}


def brought(lab: LabSections, kind: str, places: Collection[str], *, planned: bool = False) -> set[str]:
    """All positions to which a container of a kind can be brought from some, over as many transports as are needed.

    Args:
        lab: the lab.
        kind: of labware.
        places: where it may stand.
        planned: only by transports that have a plan (`carries`).
    """
    takes = {place for place, one in lab.positions.items() if kind in one.takes}
    found = set(places)
    able = [one for one in lab.transports.values() if one.can_carry(kind) and (one.carries or not planned)]
    carriers = [takes & {*one.reaches} for one in able]
    grew = True
    while grew:
        more = {place for reach in carriers if reach & found for place in reach} - found
        found |= more
        grew = bool(more)
    return found
