"""Whether materials, lots, containers and sources of a lab fit together."""

from __future__ import annotations

from labwright.model.errors import unknown
from labwright.model.quantities import Amount
from labwright.model.references import References
from labwright.model.sections import LabSections


def check_supplies(lab: LabSections, found: References) -> None:
    """Say what of them does not fit."""
    for name, lot in lab.lots.items():
        found.refer("materials", "material", lot.material, "lots", name, "material")
    barcodes: dict[str, str] = {}
    for name, container in lab.containers.items():
        where = ("containers", name)
        if container.lot:
            found.refer("lots", "lot", container.lot, *where, "lot")
        if name in lab.labware:
            found.say("is the name of a kind of labware as well; give it one of its own", *where)
        if container.barcode and (first := barcodes.setdefault(container.barcode, name)) != name:
            found.say(f"container {first!r} has the same barcode {container.barcode}", *where, "barcode")
        if found.refer("labware", "labware", container.labware, *where, "labware"):
            _fits_in(lab, name, found)
    _stand(lab, found)
    _sources(lab, found)
    for name, waste in lab.wastes.items():
        found.refer("stations", "station", waste.station, "wastes", name, "station")


def _fits_in(lab: LabSections, name: str, found: References) -> None:
    container = lab.containers[name]
    labware, quantity = lab.labware[container.labware], container.quantity
    if labware.capacity_ul is None or quantity is None or quantity.unit != "nL":
        return
    room = Amount(count=round(labware.capacity_ul * 1000) * labware.well_count, unit="nL")
    if quantity.count > room.count:
        found.say(f"{quantity} in a {container.labware}, which holds {room}", "containers", name, "quantity")


def _stand(lab: LabSections, found: References) -> None:
    """Each container is in one place."""
    places: dict[str, str] = {}
    for name, source in lab.sources.items():
        where = ("sources", name, "container")
        found.refer("containers", "container", source.container, *where)
        if (first := places.setdefault(source.container, f"source {name!r}")) != f"source {name!r}":
            found.say(f"container {source.container!r} is that of {first} as well", *where)
    for place, position in lab.positions.items():
        held, where = position.holds, ("positions", place, "holds")
        if not held:
            continue
        if held in lab.containers:
            kind = lab.containers[held].labware
            if (first := places.setdefault(held, f"position {place!r}")) != f"position {place!r}":
                found.say(f"container {held!r} is that of {first} as well", *where)
                continue
        elif held in lab.labware:
            kind = held
        else:
            if found.whole("labware", "containers"):
                found.say(unknown("labware or container", held, [*lab.labware, *lab.containers]), *where)
            continue
        if kind in lab.labware and kind not in position.takes:
            found.say(f"a {kind} does not fit here, which takes {', '.join(position.takes)}", *where)


def _sources(lab: LabSections, found: References) -> None:
    given: dict[tuple[str, str], str] = {}
    for name, source in lab.sources.items():
        found.refer("devices", "device", source.device, "sources", name, "device")
        if source.station:
            found.refer("stations", "station", source.station, "sources", name, "station")
        elif not lab.stations_of(source) and found.whole("stations"):
            found.say(
                f"no station dispenses from it: {source.device} plays a role nowhere; write station: NAME",
                "sources", name,
            )  # fmt: skip
        if (container := lab.containers.get(source.container)) is None:
            continue
        if not container.lot:
            found.say(
                f"container {source.container!r} has no lot, so it is not known what is dispensed",
                "sources", name, "container",
            )  # fmt: skip
        elif (material := lab.material_of(source)) is not None:
            for station in lab.stations_of(source):
                first = given.setdefault((station, material), name)
                if first != name and lab.sources[first].container != source.container:
                    found.say(
                        f"source {first!r} gives {material} at station {station} as well; only one can yet",
                        "sources", name,
                    )  # fmt: skip
