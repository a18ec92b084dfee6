"""The lab as a whole, and what its controller was asked."""

from __future__ import annotations

from labwright.answers.base import Answered, Open, Sometimes


class Health(Answered):
    """Whether the service runs.

    Attributes:
        status: ``ok``.
    """

    status: str


class Readiness(Answered):
    """Whether the service can do its work.

    Attributes:
        status: ``ready`` or ``not ready``.
        missing: ``controller``, ``journal``.
    """

    status: str
    missing: list[str] = []


class Me(Answered):
    """Who the key is of, and what it allows.

    Attributes:
        id: of the person or program.
        name: to show.
        roles: in the whole lab.
        projects: roles in projects, by the project's id.
        groups: that data may be shared with.
        only: actions that the key allows, if not all that its owner may do.
    """

    id: str
    name: str = ""
    roles: list[str] = []
    projects: dict[str, list[str]] = {}
    groups: list[str] = []
    only: list[str] | None = None


class StationDevice(Answered):
    """A device of a station.

    Attributes:
        station: its name.
        title: of the station, to show.
        role: of the device there: as the lab's files name it, ``source NAME``, ``monitor``; or ``people`` at a station
            of people, without a device.
        device: its name; may be empty.
        driver: class that drives it; empty without a device.
        address: of the port; empty without a device.
    """

    station: str
    title: str = ""
    role: str = ""
    device: str = ""
    driver: str = ""
    address: str = ""


class Stations(Answered):
    """Stations and their devices.

    Attributes:
        title: of the lab, to show.
        items: each device of each station.
    """

    title: str = ""
    items: list[StationDevice] = []


class Command(Answered):
    """What the controller was asked, and has done.

    Attributes:
        command: its number.
        state: ``done``; ``waiting`` while the controller has not answered: what became of it is at Location.
        result: what the controller has answered, if anything; left out while it has not.
    """

    command: int
    state: str
    result: Sometimes[str] = ""


class CommandState(Answered):
    """How a command to the controller stands.

    Attributes:
        command: its number.
        campaign: whose controller was asked; empty for the lab.
        kind: what was asked, as ``pause``.
        by: who has asked.
        state: ``waiting``, ``done``, ``refused`` or ``withdrawn``.
        result: what the controller has answered, or why it has not done it; empty while it waits.
    """

    command: int
    campaign: str = ""
    kind: str = ""
    by: str = ""
    state: str
    result: str = ""


class LabEvent(Open):
    """Something that has happened; its further fields depend on its kind.

    Attributes:
        id: by which a stream is resumed.
        kind: of event.
        campaign: in which; empty for the lab.
        epoch: number of the controller that has recorded it.
        lab_time_s: lab time.
        wall_time_s: wall time.
    """

    id: int
    kind: str
    campaign: str = ""
    epoch: int = 0
    lab_time_s: float = 0.0
    wall_time_s: float = 0.0
