"""Whether labware, positions and stations of a lab fit together."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter

from labwright.model.references import References
from labwright.model.sections import LabSections
from labwright.model.stations import named


def check_deck(lab: LabSections, found: References) -> None:
    """Say what of labware, positions and stations does not fit."""
    for name, labware in lab.labware.items():
        for index, below in enumerate(labware.stacks_on):
            found.refer("labware", "labware", below, "labware", name, "stacks_on", str(index))
    _circles(lab, found)
    for name, position in lab.positions.items():
        for index, kind in enumerate(position.takes):
            found.refer("labware", "labware", kind, "positions", name, "takes", str(index))
        if position.station:
            found.refer("stations", "station", position.station, "positions", name, "station")
    if found.whole("positions", "labware", "containers", "sources"):
        _fits_nowhere(lab, found)
        for name in lab.stations:
            _slots(lab, name, found)
    for name in lab.stations:
        _role_lists(lab, name, found)


def _circles(lab: LabSections, found: References) -> None:
    """Kinds that stand on each other in a circle: none of them is the lowest. A kind may stand on its own."""
    stands_on = {name: {*one.stacks_on} - {name} for name, one in lab.labware.items()}
    try:
        TopologicalSorter(stands_on).prepare()
    except CycleError as error:
        kinds = error.args[1][::-1]  # each on the next
        found.say(
            f"stacks in a circle: {' on '.join(kinds)}; say which of them stands below, and take the other way out",
            "labware", kinds[0], "stacks_on",
        )  # fmt: skip


def _fits_nowhere(lab: LabSections, found: References) -> None:
    fits = {kind for position in lab.positions.values() for kind in position.takes}
    if not fits:
        return  # a lab without positions handles no containers by itself
    vessels = lab.vessels
    if any(source.container not in vessels for source in lab.sources.values()):
        return  # one mistake is enough: what it was to be of is not known
    fits |= {vessels[one.container].labware for one in lab.sources.values()}
    while more := {name for name, one in lab.labware.items() if name not in fits and fits & {*one.stacks_on}}:
        fits |= more
    for name in lab.labware:
        if name not in fits:
            found.say(
                "fits nowhere: no position takes it, no source has one, and it stacks on nothing that fits",
                "labware",
                name,
            )


def _slots(lab: LabSections, name: str, found: References) -> None:
    """A slot is a place for a sample: a position, or a well of what stands there."""
    station = lab.stations[name]
    here = {place: one for place, one in lab.positions.items() if one.station == name}
    wells = sum(
        max((lab.labware[kind].well_count for kind in one.takes if kind in lab.labware), default=1)
        for one in here.values()
    )
    if not here and station.slots == 1:
        return  # nothing is carried there
    if len(here) <= station.slots <= wells:
        return
    slots = "1 slot" if station.slots == 1 else f"{station.slots} slots"
    need = slots if station.slots == 1 else f"{slots} need as many positions"
    if not here:
        there = f"no position has station: {name}"
    else:
        wells_there = f" with {wells} wells at most" if wells > len(here) else ""
        there = (
            f"{_count(len(here), 'position')} there{wells_there} ({', '.join(here)}); write how many samples it takes"
        )
    given = ("slots",) if "slots" in station.model_fields_set else ()
    found.say(f"{need}, but {there}", "stations", name, *given)


def _count(count: int, thing: str) -> str:
    return f"1 {thing} is" if count == 1 else f"{count} {thing}s are"


def _role_lists(lab: LabSections, name: str, found: References) -> None:
    station = lab.stations[name]
    for role, of_role in station.devices.items():
        for index, device in enumerate(named(of_role)):
            where = ("stations", name, "devices", role)
            found.refer("devices", "device", device, *where, *((str(index),) if not isinstance(of_role, str) else ()))
        if isinstance(of_role, str):
            continue
        if station.recipe == "one":
            found.say(
                "a device for each slot is for stations where each sample has its own recipe; write recipe: own, or "
                "one device",
                "stations", name, "devices", role,
            )  # fmt: skip
        elif len(of_role) != station.slots:
            found.say(
                f"{len(of_role)} of {station.slots} slots have a device; name one for each slot",
                "stations", name, "devices", role,
            )  # fmt: skip
    for index, device in enumerate(station.monitors):
        found.refer("devices", "device", device, "stations", name, "monitors", str(index))
