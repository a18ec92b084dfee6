"""Stocks, wastes, positions, samples, and runs."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from labwright.answers.base import Answered, Open
from labwright.answers.lab import Command


class Stock(Answered):
    """A container that is taken from; amounts in the smallest unit.

    Attributes:
        stock: its container, or the source at which it stands.
        material: in it.
        lot: of the material; may be empty.
        place: where it stands; may be empty.
        plate: of which it is a well; empty if of none.
        unit: the smallest unit.
        counted: what was there when it was counted last.
        counted_s: lab time of that count.
        used: since then.
        unknown: what may have been used beside.
        reserved: what is promised.
        left: what should be there.
        usable: what can be promised still.
        expires: date after which it may not be used, as ``2027-03-31``; null if it does not expire.
        barred: why nothing of it may be used; empty if it may.
    """

    stock: str
    material: str = ""
    lot: str = ""
    place: str = ""
    plate: str = ""
    unit: str = ""
    counted: int = 0
    counted_s: float | None = None
    used: int = 0
    unknown: int = 0
    reserved: int = 0
    left: int = 0
    usable: int = 0
    expires: str | None = None
    barred: str = ""


class Waste(Answered):
    """A waste; amounts in the smallest unit.

    Attributes:
        waste: its name.
        station: where it stands.
        unit: the smallest unit.
        capacity: what it holds.
        level: what is in it.
        unknown: what may be in it beside.
        reserved: what is promised of its room.
        room: what can be promised still.
    """

    waste: str
    station: str = ""
    unit: str = ""
    capacity: int = 0
    level: int = 0
    unknown: int = 0
    reserved: int = 0
    room: int = 0


class PositionHeld(Answered):
    """A position, and what stands there.

    Attributes:
        position: its name.
        holds: the kind of container; empty if none.
        campaign: whose sample it is, or who has used it up; empty if it is as it was filled.
        experiment: label of that.
        used_up: whether it is no sample, but a container that has served a campaign.
        unused: whether it is as it was filled.
        since_s: lab time from which on it is so; null if that is not known.
    """

    position: str
    holds: str = ""
    campaign: str = ""
    experiment: str = ""
    used_up: bool = False
    unused: bool = False
    since_s: float | None = None


class DeckLeft(Answered):
    """What a deck has left.

    Attributes:
        instruments: which deck.
        stocks: that are taken from.
        wastes: that are put into.
        positions: and what stands there.
    """

    instruments: str
    stocks: list[Stock] = []
    wastes: list[Waste] = []
    positions: list[PositionHeld] = []


class ContainerRow(Answered):
    """What a container holds, in the columns in which containers are received.

    Attributes:
        container: its name.
        labware: its kind.
        material: in it.
        lot: of that.
        quantity: with its unit, as ``1.2 mL``.
        barcode: on it.
        opened: date; empty if it was not.
        expires: date; empty if it does not.
        status: whether it may be used.
        place: where it stands.
    """

    container: str
    labware: str = ""
    material: str = ""
    lot: str = ""
    quantity: str = ""
    barcode: str = ""
    opened: str = ""
    expires: str = ""
    status: str = ""
    place: str = ""


class ForecastItem(Answered):
    """How long something lasts for the campaigns under way; amounts in the smallest unit.

    Attributes:
        what: a material, a waste, or a kind of container.
        kind: which of these.
        unit: the smallest unit.
        left: what another experiment can be promised: of a waste, its room.
        each: what one experiment takes, in the mean.
        wanted: what the experiments that are left would take.
        lasts_for: experiments that it lasts for; null if it is not known yet what one takes.
        until_s: lab time at which it runs out at the present pace; null if it lasts, or the pace is not known.
        lasts: whether it lasts for all that the campaigns under way still want.
    """

    what: str
    kind: str
    unit: str = ""
    left: int = 0
    each: float = 0.0
    wanted: float = 0.0
    lasts_for: int | None = None
    until_s: float | None = None
    lasts: bool = True


class Forecast(Answered):
    """How long what a deck has lasts.

    Attributes:
        instruments: which deck.
        items: each material, waste and kind of container.
    """

    instruments: str
    items: list[ForecastItem] = []


class Labels(Answered):
    """Labels for containers.

    Attributes:
        labels: what the code on each says, by the container's name.
        svg: the sheet, at its true size.
    """

    labels: dict[str, str] = {}
    svg: str


class Counts(Answered):
    """What was counted.

    Attributes:
        instruments: which deck.
        counts: amounts in the smallest unit, by stock.
        units: of these.
        containers: the kind of container at each position; empty for none.
    """

    instruments: str
    counts: dict[str, int] = {}
    units: dict[str, str] = {}
    containers: dict[str, str] = {}


class Counted(Command):
    """What came of a count.

    Attributes:
        counted: what was recorded.
    """

    counted: Counts


class Entry(Open):
    """What was booked; its further fields depend on its kind.

    Attributes:
        instruments: which deck.
        kind: of entry, as ``received``, ``adjusted``, ``moved``.
        by: who has booked it.
        because: why.
    """

    instruments: str = ""
    kind: str
    by: str = ""
    because: str = ""


class Booked(Command):
    """What came of an entry.

    Attributes:
        booked: what was recorded.
    """

    booked: Entry


class Sample(Answered):
    """A sample.

    Attributes:
        sample: as CAMPAIGN/LABEL.
        id: of it.
        campaign: that has made it.
        label: of its experiment.
        instruments: on which it was made.
        labware: the kind of container it is in; empty if in none.
        made_s: lab time at which it was made; null before.
        place: where it is.
        disposition: what has become of it; empty while it is under way.
        quarantine: why it may not be used; empty if it may.
        by: who has said what has become of it; may be empty.
        because: what that person has said.
    """

    sample: str
    id: str
    campaign: str
    label: str
    instruments: str = ""
    labware: str = ""
    made_s: float | None = None
    place: str = ""
    disposition: str = ""
    quarantine: str = ""
    by: str = ""
    because: str = ""


class Flow(Answered):
    """What has passed from one place to another, in all.

    Attributes:
        taken_from: the place that it left.
        put_into: the place that it entered.
        material: what it was; empty for what was a sample.
        lot: of that material.
        unit: the smallest unit.
        amount: what is known to have passed.
        unknown: what may have passed beside that.
    """

    taken_from: str
    put_into: str
    material: str = ""
    lot: str = ""
    unit: str = ""
    amount: int = 0
    unknown: int = 0


class Ancestor(Flow):
    """A flow on the way up or down from something.

    Attributes:
        distance: how many places it is away.
    """

    distance: int


class SampleOutcome(Answered):
    """What an experiment has come to.

    Attributes:
        state: how far it is.
        reason: why it is so.
        results: value of each.
    """

    state: str
    reason: str = ""
    results: dict[str, Any] = {}


class SampleDetail(Sample):
    """A sample: what it was made of, where it went, and what was found.

    Attributes:
        experiment: that has made it.
        made_of: what was put into it.
        given_to: what was taken from it.
        holds: what is in it, by the smallest unit.
    """

    experiment: SampleOutcome
    made_of: list[Flow] = []
    given_to: list[Flow] = []
    holds: dict[str, int] = {}


class Run(Answered):
    """A run of a station that is closed.

    Attributes:
        run: the beginning of its uid.
        began: when, in UTC, as ``2026-11-27 08:30:00``.
        campaign: whose step it was; may be empty.
        experiment: its number in that campaign; empty if of none.
        step: its name in the protocol.
        events: that were recorded.
        ended: ``success``, ``fail`` or ``abort``; ``damaged`` where that cannot be read.
    """

    run: str
    began: str = Field(alias="began (UTC)")
    campaign: str = ""
    experiment: int | str = ""
    step: str = ""
    events: int = 0
    ended: str = ""
