"""The lab as the dispatcher sees it: where samples can stand, where they are worked on, and what carries them."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

from labwright.engine.experiment import SITE
from labwright.model.availability import Availability
from labwright.model.calendars import ClosedSpec
from labwright.model.figures import lasting
from labwright.model.lab import LabModel
from labwright.model.protocol import ProtocolSpec, move_timeout_s

__all__ = [
    "NO_LAYOUT",
    "Bench",
    "Carrier",
    "Layout",
    "Leg",
    "Site",
    "calendar_of",
    "layout_of",
    "never_fits",
    "slots_of",
]


@dataclass(frozen=True)
class Site:
    """A position.

    Attributes:
        name: of the position.
        station: that works on what stands there; empty for a rack or a hand-over.
        takes: kinds of container.
        leaves: whether what is put there has left the lab.
    """

    name: str
    station: str = ""
    takes: frozenset[str] = frozenset()
    leaves: bool = False


@dataclass(frozen=True)
class Bench:
    """A station.

    Attributes:
        name: of the station.
        kind: stations of one kind can stand in for each other; its own name where it is the only one.
        slots: samples that it may work on at once.
        one_recipe: whether all that it works on at once have the same recipe.
        together: whether they begin and end together, as one batch.
        batch_wait_s: how long a batch that could begin waits for another sample at least, lab seconds.
    """

    name: str
    kind: str
    slots: int = 1
    one_recipe: bool = False
    together: bool = False
    batch_wait_s: float = 0.0

    @cached_property
    def claims(self) -> tuple[str, ...]:
        """What samples claim that need it: by its kind and by its name, ``site:STATION``."""
        return tuple(dict.fromkeys((f"{SITE}{self.kind}", f"{SITE}{self.name}")))

    @property
    def slotted(self) -> bool:
        """Whether steps at its positions begin and end each by itself."""
        return self.slots > 1 and not self.together


@dataclass(frozen=True)
class Carrier:
    """A transport.

    Attributes:
        name: of the transport.
        station: that carries its moves out.
        labware: kinds of container that it can carry.
        move_s: what a move takes, lab seconds.
        reaches: positions.
        timeout_s: what a move may take at most, lab seconds; 0 if that follows from what it takes.
    """

    name: str
    station: str
    labware: frozenset[str]
    move_s: float
    reaches: frozenset[str]
    timeout_s: float = 0.0


@dataclass(frozen=True)
class Leg:
    """A part of a way, by one transport.

    Attributes:
        carrier: the transport.
        end: position.
    """

    carrier: Carrier
    end: str


Congestion = Callable[[Carrier], float]
"""Lab seconds until a transport is free."""


def _no_wait(carrier: Carrier) -> float:
    return 0.0


@dataclass(frozen=True)
class Layout:
    """All positions, stations and transports.

    Attributes:
        sites: by name.
        benches: by name.
        carriers: by name.
        calendar: when stations can be used, by name; those that are not in it always.
    """

    sites: Mapping[str, Site] = field(default_factory=dict)
    benches: Mapping[str, Bench] = field(default_factory=dict)
    carriers: Mapping[str, Carrier] = field(default_factory=dict)
    calendar: Mapping[str, Availability] = field(default_factory=dict)

    @cached_property
    def _serving(self) -> dict[str, tuple[Bench, ...]]:
        found: dict[str, list[Bench]] = {}
        for bench in self.benches.values():
            for name in dict.fromkeys((bench.kind, bench.name)):
                found.setdefault(name, []).append(bench)
        return {name: tuple(benches) for name, benches in found.items()}

    @cached_property
    def _at(self) -> dict[tuple[str, str], tuple[str, ...]]:
        found: dict[tuple[str, str], list[str]] = {}
        for site in self.sites.values():
            for kind in site.takes:
                found.setdefault((site.station, kind), []).append(site.name)
        return {key: tuple(names) for key, names in found.items()}

    @cached_property
    def _all_at(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for site in self.sites.values():
            found.setdefault(site.station, []).append(site.name)
        return {station: tuple(names) for station, names in found.items()}

    @cached_property
    def _of_kind(self) -> dict[tuple[str, str], tuple[str, ...]]:
        return {}

    def serving(self, station: str) -> tuple[Bench, ...]:
        """Stations that can carry out a step for `station`, which names one or a kind of them."""
        return self._serving.get(station) or (Bench(station, station),)

    def sites_at(self, station: str, labware: str) -> tuple[str, ...]:
        """Positions of one station that take a kind of container."""
        return self._at.get((station, labware), ())

    def sites_of(self, station: str) -> tuple[str, ...]:
        """Positions of one station, whatever they take."""
        return self._all_at.get(station, ())

    def sites_for(self, station: str, labware: str) -> tuple[str, ...]:
        """Positions of all stations that `station` names, for a kind of container."""
        known = self._of_kind.get((station, labware))
        if known is None:
            known = tuple(name for bench in self.serving(station) for name in self.sites_at(bench.name, labware))
            self._of_kind[station, labware] = known
        return known

    def bench_at(self, position: str) -> Bench | None:
        """The station that works on the samples at a position; None if none does."""
        site = self.sites.get(position)
        return None if site is None or not site.station else self.serving_one(site.station)

    def serving_one(self, station: str) -> Bench:
        """A station by its own name."""
        return self.benches.get(station) or Bench(station, station)

    def reaching(self, position: str, labware: str) -> tuple[Carrier, ...]:
        """Transports that can take a container from a position."""
        known = self._reaching.get((position, labware))
        if known is None:
            known = self._reaching[position, labware] = tuple(
                one for one in self.carriers.values() if position in one.reaches and labware in one.labware
            )
        return known

    def reached_by(self, position: str, labware: str) -> str:
        """Names of the transports that can take a container from a position, as one word."""
        known = self._reached_by.get((position, labware))
        if known is None:
            known = " ".join(one.name for one in self.reaching(position, labware))
            self._reached_by[position, labware] = known
        return known

    @cached_property
    def _reached_by(self) -> dict[tuple[str, str], str]:
        return {}

    @cached_property
    def _reaching(self) -> dict[tuple[str, str], tuple[Carrier, ...]]:
        return {}

    def ways_out(self, labware: str) -> tuple[str, ...]:
        """Positions where a container leaves the lab."""
        return tuple(site.name for site in self.sites.values() if site.leaves and labware in site.takes)

    def way(
        self,
        start: str,
        end: str,
        labware: str,
        free: Callable[[str], bool] = lambda position: True,
        congestion: Congestion = _no_wait,
    ) -> tuple[Leg, ...]:
        """The quickest way from one position to another; empty if there is none.

        Args:
            start: where the container stands.
            end: where it is wanted.
            labware: its kind.
            free: whether it may be put down at a position for a while, where the way takes several transports.
            congestion: lab seconds until a transport is free.
        """
        direct = [
            (carrier.move_s + congestion(carrier), carrier)
            for carrier in self.reaching(start, labware)
            if end in carrier.reaches
        ]
        if direct:
            takes_s, carrier = min(direct, key=lambda one: one[0])
            if takes_s <= 2 * self._quickest_s:
                return (Leg(carrier, end),)  # two moves are not quicker
        hand_overs = self._hand_overs.get(labware, ())
        best = {start: 0.0}
        todo: list[tuple[float, str, tuple[Leg, ...]]] = [(0.0, start, ())]
        while todo:
            took_s, here, legs = heapq.heappop(todo)
            if here == end:
                return legs
            if took_s > best[here]:
                continue
            for carrier in self.reaching(here, labware):
                next_s = took_s + carrier.move_s + congestion(carrier)
                for there in (end, *hand_overs):
                    if there not in carrier.reaches or next_s >= best.get(there, float("inf")):
                        continue
                    if there == end or free(there):
                        best[there] = next_s
                        heapq.heappush(todo, (next_s, there, (*legs, Leg(carrier, there))))
        return ()

    @cached_property
    def _quickest_s(self) -> float:
        return min(one.move_s for one in self.carriers.values())

    @cached_property
    def in_stations(self) -> frozenset[str]:
        """Positions of stations: a sample that began there would be in the way of others that have a turn there."""
        return frozenset(name for name, site in self.sites.items() if site.station)

    @cached_property
    def passed(self) -> frozenset[str]:
        """Where containers that begin elsewhere may be put: positions of stations, and those to hand over at."""
        stations = (name for name, site in self.sites.items() if site.station)
        return frozenset(stations).union(*self._hand_overs.values())

    @cached_property
    def hands_over(self) -> bool:
        """Whether a way may lead over several transports."""
        return bool(self._hand_overs)

    @cached_property
    def _hand_overs(self) -> dict[str, tuple[str, ...]]:
        """Positions that several transports reach and no station works at, by the kind of container."""
        found: dict[str, list[str]] = {}
        for site in self.sites.values():
            several = sum(site.name in carrier.reaches for carrier in self.carriers.values()) > 1
            if several and not site.station and not site.leaves:
                for kind in site.takes:
                    found.setdefault(kind, []).append(site.name)
        return {kind: tuple(names) for kind, names in found.items()}


def slots_of(protocol: ProtocolSpec, layout: Layout) -> dict[str, int]:
    """How many samples the stations of a protocol work on at once, by the names that it has for them.

    Empty where one of them works on batches, which are the fuller the more samples wait for them.
    """
    benches = {step.station: layout.serving(step.station) for step in protocol.steps}
    if any(bench.together for some in benches.values() for bench in some):
        return {}
    return {station: sum(bench.slots for bench in some) for station, some in benches.items()}


def never_fits(protocol: ProtocolSpec, layout: Layout, now_s: float) -> str:
    """The first step of a protocol that is too long for the hours of its stations, in words; empty if none is."""
    for step in protocol.steps:
        known = [(one.name, layout.calendar.get(one.name)) for one in layout.serving(step.station)]
        if all(each is not None and each.opens_s(now_s, step.expected_s) == math.inf for _, each in known):
            names = " and ".join(name for name, _ in known)
            return (
                f"step {step.name} should take {lasting(step.expected_s)}, and station {names} is never open for so "
                "long; give its calendar longer hours, or take its `attended` away"
            )
    return ""


def layout_of(
    lab: LabModel, moves_s: Mapping[str, float] = MappingProxyType({}), booked: Iterable[ClosedSpec] = ()
) -> Layout:
    """A laboratory as the dispatcher sees it.

    Args:
        lab: as its files describe it.
        moves_s: what moves took, lab seconds, by transport; of others what the files say is expected.
        booked: when people have stations, besides what the files say.
    """
    sites = {
        name: Site(name, position.station, frozenset(position.takes), position.leaves)
        for name, position in lab.positions.items()
    }
    benches = {
        name: Bench(
            name,
            station.kind or name,
            station.slots,
            one_recipe=station.recipe == "one" and station.slots > 1,
            together=station.starts == "together",
            batch_wait_s=station.batch_wait_s,
        )
        for name, station in lab.stations.items()
    }
    carriers = {
        name: Carrier(
            name,
            transport.station,
            frozenset(transport.labware or lab.labware),
            moves_s.get(name, transport.move_s),
            frozenset(transport.reaches),
            move_timeout_s(max(transport.move_s, moves_s.get(name, 0.0))),
        )
        for name, transport in lab.transports.items()
        if transport.carries is not None
    }
    return Layout(sites, benches, carriers, calendar_of(lab, booked))


def calendar_of(lab: LabModel, more: Iterable[ClosedSpec] = ()) -> dict[str, Availability]:
    """When the stations of a laboratory can be used, of those that cannot always.

    Args:
        lab: with its maintenance, bookings and calendars.
        more: further times in which a station is not to be used.
    """
    closed: dict[str, list[ClosedSpec]] = {}
    for one in (*lab.maintenance, *lab.booked, *more):
        closed.setdefault(one.station, []).append(one)
    return {
        name: Availability(
            tuple(closed.get(name, ())),
            (station.attended, lab.calendars[station.attended]) if station.attended is not None else None,
        )
        for name, station in lab.stations.items()
        if name in closed or station.attended is not None
    }


NO_LAYOUT = Layout()
"""Of a lab of which nothing is known but the names of its stations: as a journal is read without its lab."""
