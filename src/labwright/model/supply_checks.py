"""Whether materials, lots, containers and sources of a lab fit together."""

from __future__ import annotations

from labwright.model.errors import unknown
from labwright.model.quantities import Amount
from labwright.model.references import References
from labwright.model.sections import LabSections
from labwright.model.supplies import well_name


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
            _wells(lab, name, found)
    _stand(lab, found)
    _sources(lab, found)
    for name, waste in lab.wastes.items():
        found.refer("stations", "station", waste.station, "wastes", name, "station")
        if waste.device:
            found.refer("devices", "device", waste.device, "wastes", name, "device")
        for section in ("sources", "materials", "containers"):
            if name in getattr(lab, section):
                found.say(f"there is one of that name under {section} as well; rename one of both", "wastes", name)
        dispensing = [key for key, source in lab.sources.items() if waste.device and source.device == waste.device]
        if dispensing:
            found.say(
                f"device {waste.device!r} draws samples into it, and dispenses from source {dispensing[0]!r}: what it "
                "does would not be known",
                "wastes", name, "device",
            )  # fmt: skip


def _fits_in(lab: LabSections, name: str, found: References) -> None:
    container = lab.containers[name]
    labware, quantity = lab.labware[container.labware], container.quantity
    if labware.capacity_ul is None or quantity is None or quantity.unit != "nL":
        return
    room = Amount(count=round(labware.capacity_ul * 1000) * labware.well_count, unit="nL")
    if quantity.count > room.count:
        found.say(f"{quantity} in a {container.labware}, which holds {room}", "containers", name, "quantity")


def _wells(lab: LabSections, name: str, found: References) -> None:
    """Wells that the kind of container has, none of which would run over."""
    container = lab.containers[name]
    labware = lab.labware[container.labware]
    for well, content in container.wells.items():
        where = ("containers", name, "wells", well)
        found.refer("lots", "lot", content.lot, *where, "lot")
        if labware.wells is None:
            found.say(f"a {container.labware} has no wells; write lot and quantity of the container", *where)
        elif not labware.wells.has(well):
            found.say(f"a {container.labware} has wells A1 to {labware.wells.last}", *where)
        if (twin := well_name(name, well)) in lab.containers:
            found.say(f"there is a container of the name {twin}; give that another", *where)
        if labware.capacity_ul is None or content.quantity.unit != "nL":
            continue
        room = Amount(count=round(labware.capacity_ul * 1000), unit="nL")
        if content.quantity.count > room.count:
            words = f"{content.quantity} in a well of a {container.labware}, which holds {room}"
            found.say(words, *where, "quantity")


def _stand(lab: LabSections, found: References) -> None:
    """Each container is in one place."""
    places: dict[str, str] = {}
    for name, source in lab.sources.items():
        where = ("sources", name, "container")
        if source.container not in lab.vessels and found.whole("containers"):
            found.say(unknown("container", source.container, [*lab.vessels]), *where)
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
    for name, source in lab.sources.items():
        if source.into:
            found.refer("wastes", "waste", source.into, "sources", name, "into")
        if name in lab.containers and name != source.container:
            found.say(
                f"container {name!r} is not the one of this source, which is {source.container!r}; rename one of both",
                "sources", name,
            )  # fmt: skip
        given = lab.material_of(source)
        if name in lab.materials and given is not None and given != name:
            found.say(f"is the name of a material, and it gives {given}; give it another name", "sources", name)
        found.refer("devices", "device", source.device, "sources", name, "device")
        if source.station:
            found.refer("stations", "station", source.station, "sources", name, "station")
        elif not lab.stations_of(source) and found.whole("stations"):
            found.say(
                f"no station dispenses from it: {source.device} plays a role nowhere; write station: NAME",
                "sources", name,
            )  # fmt: skip
        if (container := lab.vessels.get(source.container)) is None:
            continue
        if not container.lot:
            of_wells = f"; name one of its wells, as {source.container}.{next(iter(container.wells), '')}"
            found.say(
                f"container {source.container!r} has no lot, so it is not known what is dispensed"
                f"{of_wells if container.wells else ''}",
                "sources", name, "container",
            )  # fmt: skip
