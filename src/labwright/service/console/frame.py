"""What stands around every page: the lab's name, whether it is simulated, who looks, and where one may go."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zoneinfo import available_timezones

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from labwright.model.instruments import REAL
from labwright.service.classes import Owner
from labwright.service.gate import ANONYMOUS
from labwright.service.owned import granted_to
from labwright.service.rights import Action, Kind, Principal, Resource, can
from labwright.service.state import Service

LAB = Resource("lab")


@dataclass(frozen=True)
class Place:
    """A page that the console leads to.

    Attributes:
        path: of it.
        label: key of its name.
        action: that its reader may do.
        kind: to what.
    """

    path: str
    label: str
    action: Action
    kind: Kind


PLACES = (
    Place("/now", "now", "lab.read", "lab"),
    Place("/campaigns", "campaigns", "campaign.read", "campaign"),
    Place("/timeline", "timeline", "lab.read", "lab"),
    Place("/requests", "requests", "request.read", "request"),
    Place("/samples", "samples", "sample.read", "sample"),
    Place("/inventory", "inventory", "stock.read", "stock"),
    Place("/data", "data", "data.read", "data"),
    Place("/audit", "audit", "audit.read", "audit"),
)
"""In the order in which they are shown."""


def places_for(service: Service, who: Principal) -> list[Place]:
    """Pages that one may see something on: in the whole lab, in a project, or by what was granted."""
    projects = ["", *who.projects]
    granted = _granted(service, who)
    return [
        place
        for place in PLACES
        if place.kind in granted
        or any(can(who, place.action, Resource(place.kind, project=project)) for project in projects)
    ]


def _granted(service: Service, who: Principal) -> set[str]:
    """Kinds of which something was granted to a guest; one with a role finds those pages by it."""
    if who is ANONYMOUS or who.roles or who.projects:
        return set()
    kinds: tuple[Owner, ...] = ("campaign", "request")
    with service.door.reading() as connection:
        return {kind for kind in kinds if granted_to(connection, who.id, kind)}


@dataclass(frozen=True)
class Frame:
    """The lab, as each page names it.

    Attributes:
        title: of the lab.
        zone: of its times; empty for the machine's own.
        simulated: whether its instruments are; None if no controller has run yet.
        runs: whether a controller runs.
    """

    title: str
    zone: str
    simulated: bool | None
    runs: bool


def frame_of(service: Service) -> Frame:
    """The lab now.

    Raises:
        JournalError: the journal cannot be read.
    """
    named = _named(service.settings.root)
    with service.records.reading() as journal:
        runs = journal.controlled()
        newest = journal.controller()
    simulated = None if newest is None else newest["instruments"] != REAL
    return Frame(named.title, named.zone, simulated, runs)


def zone_of(service: Service) -> str:
    """The lab's zone by its name; empty for the machine's own."""
    return _named(service.settings.root).zone


@dataclass(frozen=True)
class StationName:
    """A station as people know it.

    Attributes:
        title: of it.
        devices: that it has.
        carries: whether it brings samples from station to station.
    """

    title: str = ""
    devices: tuple[str, ...] = ()
    carries: bool = False


@dataclass(frozen=True)
class _Named:
    """What a lab's own file names.

    Attributes:
        title: of the lab.
        zone: of its times.
        stations: by name.
    """

    title: str
    zone: str = ""
    stations: Mapping[str, StationName] = field(default_factory=dict)


def stations_named(service: Service) -> Mapping[str, StationName]:
    """The lab's stations as people know them, by name; what the lab's file does not say is left out."""
    return _named(service.settings.root).stations


_known: dict[Path, tuple[int, _Named]] = {}
_one = threading.Lock()


def _named(root: Path | None) -> _Named:
    """What the lab's own file names; its folder's name where that cannot be read, of which `check` tells."""
    if root is None:
        return _Named("Labwright")
    path = root / "lab_config" / "lab.yaml"
    try:
        changed = path.stat().st_mtime_ns
        with _one:
            if path not in _known or _known[path][0] != changed:
                said = YAML(typ="safe").load(path.read_text("utf-8")) or {}
                zone = str(said.get("zone") or "")
                _known[path] = (
                    changed,
                    _Named(
                        str(said.get("title") or said.get("name") or root.name),
                        zone if zone in available_timezones() else "",
                        dict(_stations(said)),
                    ),
                )
            return _known[path][1]
    except (OSError, YAMLError, AttributeError, TypeError, UnicodeDecodeError):
        return _Named(root.name)


def _stations(said: Mapping[str, Any]) -> Iterator[tuple[str, StationName]]:
    carriers = {one.get("station") for one in (said.get("transports") or {}).values()}
    for name, one in (said.get("stations") or {}).items():
        by_role = (one.get("devices") or {}).values()  # a list where each position has its own
        devices = tuple(str(each) for of in by_role for each in (of if isinstance(of, list) else [of]))
        yield str(name), StationName(str(one.get("title") or ""), devices, name in carriers)
