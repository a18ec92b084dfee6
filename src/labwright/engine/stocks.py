"""What a container holds of a lot, and what a waste has taken: as it was counted last, and what has changed since."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from zoneinfo import ZoneInfo

from labwright.model.material import StockAt, StockFacts, Used, WasteAt, said
from labwright.model.quantities import Counted


@dataclass
class Stock:
    """What one container holds of one lot, in its smallest unit (`StockFacts.unit`).

    Attributes:
        count: what was there when it was counted last.
        dead: what must stay.
        used: taken since.
        promised: what experiments under way may still take.
        since_s: lab time of the count; None if this core knows of none, so that nothing is refused.
        facts: what is known of it.
        doubts: ids of steps that have taken from it, and of which a person has not yet said what became of them.
    """

    count: int = 0
    dead: int = 0
    used: Used = field(default_factory=Used)
    promised: int = 0
    since_s: float | None = None
    facts: StockFacts = field(default_factory=StockFacts)
    doubts: list[str] = field(default_factory=list)

    @staticmethod
    def of(there: StockAt, promised: int, now_s: float) -> Stock:
        """A stock as it is booked."""
        return Stock(there.count, there.dead, Used(unknown=there.unknown), promised, now_s, there.facts)

    @property
    def unit(self) -> Counted:
        """In which it is counted."""
        return self.facts.unit

    @property
    def usable(self) -> int:
        """What can be used, with what is promised or may be gone."""
        return self.count - self.dead - self.used.amount

    @property
    def free(self) -> int:
        """What another experiment can be promised; below 0 if more is promised or may be gone than there is."""
        return self.usable - self.used.unknown - self.promised

    def serves(self, stations: Collection[str]) -> bool:
        """Whether one of these stations can take from it; any if none are named."""
        return not stations or not self.facts.stations or any(one in stations for one in self.facts.stations)

    @property
    def overdrawn(self) -> bool:
        """Whether more was taken, may be gone or is promised than there is."""
        return self.since_s is not None and self.free < 0

    def barred(self, now_s: float) -> str:
        """Why nothing of it may be used, in words; empty if it may be."""
        facts = self.facts
        if facts.material and not facts.source:
            return "is at no source"
        if facts.status == "quarantined":
            return "is quarantined"
        if self.doubts:
            return f"is quarantined until a person has looked at step {self.doubts[0]}"
        if facts.expires is not None and day_of(now_s, facts.zone) > facts.expires:
            return f"has expired on {facts.expires}"
        return ""

    @property
    def order(self) -> tuple[date, date]:
        """What is used first: what expires first, then what was opened first."""
        return self.facts.expires or date.max, self.facts.opened or date.max


@dataclass
class Waste:
    """What a waste has taken, in its smallest unit.

    Attributes:
        capacity: how much it holds; None if that is not known.
        unit: in which it is counted.
        level: what is known to be in it.
        unknown: what may be in it beside that.
        promised: what experiments under way may still add.
        station: whose waste it is.
    """

    capacity: int | None = None
    unit: Counted = "nL"
    level: int = 0
    unknown: int = 0
    promised: int = 0
    station: str = ""

    @staticmethod
    def of(there: WasteAt, promised: int) -> Waste:
        """A waste as it is booked."""
        return Waste(there.capacity, there.unit, there.level, 0, promised, there.station)

    @property
    def room(self) -> int | None:
        """What another experiment can be promised; None if it is not known."""
        return None if self.capacity is None else self.capacity - self.level - self.unknown - self.promised


def named(stocks: Mapping[str, Stock], name: str) -> list[str]:
    """The stocks that are meant by a source, a container, or a material: the last may be several.

    Args:
        stocks: by container.
        name: of any of these.
    """
    at_source = [key for key, stock in stocks.items() if stock.facts.source == name]
    if at_source or name in stocks:
        return at_source or [name]
    return [key for key, stock in stocks.items() if stock.facts.material == name]


def day_of(now_s: float, zone: str) -> date:
    """The day of a lab time, in a time zone."""
    return datetime.fromtimestamp(now_s, ZoneInfo(zone)).date()


def no_room(name: str, needed: int, waste: Waste) -> str:
    """That a waste has not the room, in words."""
    room = waste.room or 0
    return (
        f"waste {name} is full: room for {said(needed, waste.unit)} is needed, {said(max(room, 0), waste.unit)} of "
        f"{said(waste.capacity or 0, waste.unit)} is left"
    )
