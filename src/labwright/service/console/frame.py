"""What stands around every page: the lab's name, whether it is simulated, who looks, and where one may go."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path
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
    title, zone = _named(service.settings.root)
    with service.records.reading() as journal:
        runs = journal.controlled()
        newest = journal.controller()
    simulated = None if newest is None else newest["instruments"] != REAL
    return Frame(title, zone, simulated, runs)


def zone_of(service: Service) -> str:
    """The lab's zone by its name; empty for the machine's own."""
    return _named(service.settings.root)[1]


_known: dict[Path, tuple[int, tuple[str, str]]] = {}
_one = threading.Lock()


def _named(root: Path | None) -> tuple[str, str]:
    """Title and zone by the lab's own file; its folder's name where that cannot be read, of which `check` tells."""
    if root is None:
        return "Labwright", ""
    path = root / "lab_config" / "lab.yaml"
    try:
        changed = path.stat().st_mtime_ns
        with _one:
            if path not in _known or _known[path][0] != changed:
                said = YAML(typ="safe").load(path.read_text("utf-8")) or {}
                title = str(said.get("title") or said.get("name") or root.name)
                zone = str(said.get("zone") or "")
                _known[path] = changed, (title, zone if zone in available_timezones() else "")
            return _known[path][1]
    except (OSError, YAMLError, AttributeError, UnicodeDecodeError):
        return root.name, ""
