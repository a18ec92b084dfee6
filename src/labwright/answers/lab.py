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


class SettableAxis(Answered):
    """What can be set of a device by hand.

    Attributes:
        name: of the axis.
        unit: in which it is set; empty for a pure number.
        precision: decimals that mean something.
        low: lowest value, by the driver and the lab's files.
        high: highest value.
        reads: whether the instrument says what it is now.
        closed: why people do not set it by hand; empty if they may.
    """

    name: str
    unit: str = ""
    precision: int = 0
    low: float
    high: float
    reads: bool = False
    closed: str = ""


class DeviceReading(Answered):
    """What a device reports.

    Attributes:
        name: of the reading.
        unit: of it; empty for a pure number.
    """

    name: str
    unit: str = ""


class HandDevice(Answered):
    """What can be done with a device of a station by hand.

    Attributes:
        device: its name.
        settable: whether it is set here; a monitor is only read.
        axes: what can be set.
        readings: what it reports.
        why_not: why nothing of it is known; empty if it is.
    """

    device: str
    settable: bool
    axes: list[SettableAxis] = []
    readings: list[DeviceReading] = []
    why_not: str = ""


class HandOperation(Answered):
    """Something that a person has done at a station by hand, or that waits to be done.

    Attributes:
        campaign: its id; it is a campaign of one experiment.
        station: where.
        device: of it.
        axis: that is set; null for a reading.
        value: to which; null for a reading.
        unit: of the value.
        by: the person.
        because: why.
        asked_s: wall time at which the controller took it.
        until_s: lab time at which it is given up if it has not started.
        sample_present_ok: whether a sample might stand in the station.
        state: ``waiting``, ``running``, ``question``, ``done``, ``failed`` or ``given up``.
        reason: why it has failed or was given up; empty otherwise.
        waits_for: what has to happen before it goes on.
        questions: ids of those that a person answers about it.
        set_to: what was set; null if nothing was.
        read_back: what the axis read then; null where that is not known.
        runs: uids of the runs that belong to it.
    """

    campaign: str
    station: str
    device: str
    axis: str | None = None
    value: float | None = None
    unit: str = ""
    by: str = ""
    because: str = ""
    asked_s: float = 0.0
    until_s: float = 0.0
    sample_present_ok: bool = False
    state: str
    reason: str = ""
    waits_for: list[str] = []
    questions: list[str] = []
    set_to: float | None = None
    read_back: float | None = None
    runs: list[str] = []


class Operated(Command):
    """Something was handed to the controller that a person does by hand.

    Attributes:
        campaign: its id, once the controller has taken it.
    """

    campaign: Sometimes[str] = ""
